/** Links that lead away: to a phone, a mailbox, WhatsApp, a file, another site. */
import { allows } from './consent.js';
import { record } from './events.js';
import { visitNow } from './identity.js';
import { cut, on } from './text.js';
import { isOwn } from './touch.js';

/** Eight characters a person can read out, of the session id's last 40 bits, which are random; Crockford's alphabet. */
const whatsappCode = () =>
  parseInt(visitNow().session_id.slice(-10), 16)
    .toString(32)
    .toUpperCase()
    .padStart(8, '0')
    .replace(/[ILOU]/g, (letter) => 'WXYZ'['ILOU'.indexOf(letter)]);

export const watchLinks = () =>
  on('click auxclick', ({ target }) => {
    const link = target.closest('a');
    const { href, host, pathname } = link;
    /** @type {string | undefined} */
    let whatsapp_code;
    let kind = /^(tel|mailto|whatsapp):/.exec(href)?.[1];
    if (/^wa\.me$|whatsapp\.com$/.test(host)) kind = 'whatsapp';
    else if (/\.(pdf|docx?|xlsx?|zip)$/i.test(pathname)) kind = 'download';
    else if (!kind && host && !isOwn(link)) kind = 'outbound';
    if (kind === 'whatsapp' && allows('analytics')) {
      whatsapp_code = whatsappCode();
      if (!/[?&]text=/.test(href)) link.search += '&text=';
      if (!href.includes(whatsapp_code)) link.search = link.search.replace(/text=[^&]*/, `$&%20[%23${whatsapp_code}]`);
    }
    if (kind) record('click', { kind, url: cut(href), whatsapp_code });
  });
