/**
 * The bridge to Chatwoot's web widget (`window.$chatwoot`, events `chatwoot:*` on the window).
 *
 * `setUser` throws without a name, an e-mail or a picture, and its server takes phone numbers in E.164 only. Conversation
 * attributes and labels do nothing before the conversation exists, which is when the visitor's first message comes back.
 */
import { callingCode, chatwoot } from './config.js';
import { allows } from './consent.js';
import { visitNow } from './identity.js';
import { currentTouch } from './touch.js';
import { cut, quietly } from './text.js';
import { user } from './user.js';

/** @typedef {import('./user.js').User} User */
/** @typedef {import('./touch.js').TouchPoint} TouchPoint */

/** The conversation whose start is recorded, and the origin the widget has been told: once a browser, not once a page. */
let [chat, toldOrigin] = quietly(() => JSON.parse(localStorage._elw)) || ['', ''];
let toldUser = '';
/** What to call a visitor who talks and has not said their name: as the widget does. */
let callName = '';

const widget = () => /** @type {any} */ (window).$chatwoot;
const remember = () => quietly(() => (localStorage._elw = JSON.stringify([chat, toldOrigin])));

/** @param {(name: string, properties?: object, user?: User) => void} record */
export function startChatwoot(record) {
  /** @param {string} name @param {(detail: any) => void} handle */
  const on = (name, handle) => addEventListener('chatwoot:' + name, (event) => handle(/** @type {any} */ (event).detail || {}));

  on('ready', syncChatwoot);
  on('opened', () => record('chat_open'));
  // The visitor's own message; the first of a conversation is its start. `on-start-conversation` says less than its name:
  // the button before the first message was pressed, and many who press it write nothing.
  on('on-message', ({ message_type, conversation_id, sender }) => {
    if (message_type !== 0 || chat === cut(conversation_id, 64)) return;
    chat = cut(conversation_id, 64);
    toldOrigin = '';
    const { name, email, phone_number: phone } = sender || {};
    // A name alone is one that the widget made up.
    record('chat_start', { conversation_id: chat }, { email, phone, name: (email || phone) && name });
    callName = name || 'Visitante';
    syncChatwoot();
  });
  syncChatwoot();
}

/** Tell the widget who the visitor is, once they talk, and where they came from, once they allowed it. */
export function syncChatwoot() {
  if (chatwoot === 'off' || !widget()?.hasLoaded) return;
  const { email, phone, name } = user;
  // Not before they talk: `setUser` makes a contact, and one who only sent a form from a second browser would be there twice.
  if (allows('analytics') && chat) {
    quietly(() => {
      const id = visitNow().tracking_id;
      const profile = { name: name || callName || (email ? undefined : 'Visitante'), email, phone_number: toE164(phone) };
      const text = id + JSON.stringify(profile);
      if (text !== toldUser) widget().setUser(id, profile);
      toldUser = text;
    });
  }
  const origin = originAttributes();
  const text = JSON.stringify(origin);
  if (text !== toldOrigin && allows('marketing') && allows('analytics')) {
    quietly(() => {
      widget().setCustomAttributes(origin);
      widget().setConversationCustomAttributes(origin);
      widget().setLabel('origem-' + kebab(origin.source));
      toldOrigin = text;
      remember();
    });
  }
}

/** Where the visitor came from, named as the attributes of the delivered lead. */
function originAttributes() {
  const { first, last, last_non_direct } = currentTouch();
  const { params, referrer } = /** @type {TouchPoint} */ (last_non_direct || last);
  /** @type {Record<string, string>} */
  const origin = {};
  for (const name in params) origin[name.replace('utm_', '')] = cut(params[name], 255);
  origin.source ||=
    (params.gclid || params.gad_source ? 'google' : params.fbclid && 'facebook') ||
    quietly(() => new URL(referrer).hostname.replace('www.', '')) ||
    'direct';
  origin.first_landing_page = cut(/** @type {TouchPoint} */ (first).landing_url.split(/[?#]/)[0], 255);
  return origin;
}

/** Lower case, words joined by hyphens, as Chatwoot writes labels. @param {string} text */
const kebab = (text) =>
  text.normalize('NFD').toLowerCase().replace(/\p{M}/gu, '').replace(/[^a-z\d]+/g, '-').replace(/^-|-$/g, '');

/** E.164 of a number as people type it, or nothing when it cannot be one. @param {string} [phone] */
function toE164(phone = '') {
  const digits = phone.replace(/\D/g, '').replace(/^0+/, '');
  const isWhole = phone[0] === '+' || digits.length > 11; // national numbers have 11 digits at most, in Brazil too
  return /^\d{8,15}$/.test(digits) ? '+' + (isWhole ? '' : callingCode) + digits : undefined;
}

/** The visitor is somebody else now: the widget forgets the conversation too. */
export function resetChatwoot() {
  toldUser = toldOrigin = chat = callName = '';
  remember();
  quietly(() => widget().reset());
}
