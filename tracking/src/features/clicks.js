/** Followed links that lead away: to a phone, a mailbox, WhatsApp, a file, another site. */
import { allowsAnalytics } from '../consent.js';
import { record } from '../events.js';
import { currentVisit } from '../identity.js';
import { listen } from '../quietly.js';
import { isOwnHost } from '../sites.js';
import { truncate } from '../text.js';

const DOWNLOAD = /\.(pdf|docx?|xlsx?|zip)$/i;

/** @typedef {HTMLAnchorElement} Link */

/** @param {Link} link */
const isWhatsApp = ({ protocol, hostname }) =>
  protocol === 'whatsapp:' || /^wa\.me$|(^|\.)whatsapp\.com$/.test(hostname);

/** What a link leads to; undefined for a link within the tenant's sites. @param {Link} link */
function kindOf(link) {
  if (isWhatsApp(link)) return 'whatsapp';
  if (DOWNLOAD.test(link.pathname)) return 'download';
  if (link.protocol === 'tel:') return 'tel';
  if (link.protocol === 'mailto:') return 'mailto';
  return link.host && !isOwnHost(link.hostname) ? 'outbound' : undefined;
}

/** The code that the visitor's message carries: the end of the session id, 32 random bits. */
const whatsAppCode = () => currentVisit().session_id.slice(-8);

/** Put a code into a link's message, once. Spaces are %20: not all apps read `+`. @param {Link} link @param {string} code */
function addCode(link, code) {
  if (link.href.includes(code)) return;
  const addition = `%20[%23${code}]`;
  link.search = /[?&]text=/.test(link.search)
    ? link.search.replace(/[?&]text=[^&]*/, (text) => text + addition)
    : `${link.search}&text=${addition}`;
}

/** @param {Link} link */
function followed(link) {
  const kind = kindOf(link);
  if (!kind) return;
  /** @type {string | undefined} */
  let whatsapp_code;
  if (kind === 'whatsapp' && allowsAnalytics()) {
    whatsapp_code = whatsAppCode();
    addCode(link, whatsapp_code);
  }
  record('click', { kind, url: truncate(link.href), whatsapp_code });
}

export function watchClicks() {
  listen(['click', 'auxclick'], ({ target }) => followed(target.closest('a')));
}
