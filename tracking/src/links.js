/** Links that lead away: to a phone, a mailbox, WhatsApp, a file, another site. */
import { allowsAnalytics } from './consent.js';
import { record } from './events.js';
import { visitNow } from './identity.js';
import { cut, on } from './text.js';
import { isOwn } from './touch.js';

export const watchLinks = () =>
  on('click auxclick', ({ target }) => {
    const link = target.closest('a');
    const { href, protocol, host, pathname } = link;
    const kind = /^whatsapp|:wa\.me$|whatsapp\.com$/.test(protocol + host)
      ? 'whatsapp'
      : /\.(pdf|docx?|xlsx?|zip)$/i.test(pathname)
        ? 'download'
        : host
          ? !isOwn(link) && 'outbound'
          : /^(tel|mailto)/.exec(protocol)?.[0];
    // What the visitor's first message carries back to this visit: the end of the session id, 32 random bits.
    /** @type {any} */
    let whatsapp_code;
    if (kind === 'whatsapp' && allowsAnalytics()) {
      whatsapp_code = visitNow().session_id.slice(-8);
      if (!href.includes(whatsapp_code)) {
        link.search = link.search.replace(/[?&]text=[^&]*|$/, (/** @type {string} */ text) => (text || '&text=') + '%20[%23' + whatsapp_code + ']');
      }
    }
    if (kind) record('click', { kind, url: cut(href), whatsapp_code });
  });
