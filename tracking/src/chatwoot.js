/**
 * The bridge to Chatwoot's web widget (`window.$chatwoot`, events `chatwoot:*` on the window).
 *
 * `setUser` throws without a name, an e-mail or a picture, and its server takes phone numbers in E.164 only. Conversation
 * attributes and labels do nothing before the conversation exists, which is when the visitor's first message comes back.
 */
import { allows } from './consent.js';
import { currentTouch } from './touch.js';
import { cut, quietly } from './text.js';

/** @typedef {import('./forms.js').User} User */
/** @typedef {import('./touch.js').TouchPoint} TouchPoint */
/**
 * @typedef {object} Bridge
 * @property {() => string} trackingId
 * @property {() => User} user
 * @property {string} callingCode
 * @property {(name: string, properties: object, user?: User) => void} record
 */

/** @type {[RegExp, string][]} */
const CLICK_SOURCES = [
  [/^(gclid|gbraid|wbraid|gad_)/, 'google'],
  [/^fbclid/, 'facebook'],
  [/^msclkid/, 'bing'],
  [/^ttclid/, 'tiktok'],
  [/^li_fat_id/, 'linkedin'],
  [/^twclid/, 'twitter'],
];
const INCOMING = 0;

/** @type {Bridge | undefined} */
let bridge;
let sentUser = '';
let sentOrigin = '';
/** @type {Set<string>} */
const started = new Set();

const widget = () => /** @type {any} */ (window).$chatwoot;

/** @param {Bridge} to */
export function startChatwoot(to) {
  bridge = to;
  addEventListener('chatwoot:ready', () => syncChatwoot());
  addEventListener('chatwoot:opened', () => to.record('chat_open', {}));
  addEventListener('chatwoot:on-start-conversation', (event) => {
    const detail = /** @type {CustomEvent} */ (event).detail;
    // `false` is the press of the button before the first message: an intention, which the message will confirm.
    if (!detail || detail.hasConversation !== false) start('', undefined);
  });
  addEventListener('chatwoot:on-message', (event) => {
    const message = /** @type {CustomEvent} */ (event).detail || {};
    if (message.message_type === INCOMING) start(message.conversation_id, message.sender);
  });
  syncChatwoot();
}

/**
 * The visitor has begun to talk.
 * @param {string | number} [conversationId]
 * @param {{name?: string, email?: string, phone_number?: string}} [sender] the contact as the widget knows it
 */
function start(conversationId, sender) {
  const to = /** @type {Bridge} */ (bridge);
  const key = String(conversationId || '');
  if (started.has(key) || (started.has('') && started.size === 1 && started.add(key))) {
    if (key) identify(sender);
    return;
  }
  started.add(key);
  /** @type {User} */
  const said = sender && (sender.email || sender.phone_number) ? { email: sender.email, phone: sender.phone_number, name: sender.name } : {};
  to.record('chat_start', key ? { conversation_id: key } : {}, said);
  identify(sender);
  sentOrigin = '';
  syncChatwoot();
}

/** @param {{name?: string}} [sender] */
function identify(sender) {
  const { trackingId, user, callingCode } = /** @type {Bridge} */ (bridge);
  const { email, phone, name } = user();
  if (!allows('analytics') && !email && !phone) return;
  quietly(() => {
    const e164 = toE164(phone || '', callingCode);
    const profile = {
      name: name || (sender && sender.name) || (email ? '' : `Visitante ${trackingId().slice(-4)}`),
      email: email || '',
      phone_number: e164,
    };
    const known = Object.fromEntries(Object.entries(profile).filter(([, value]) => value));
    const text = JSON.stringify([trackingId(), known]);
    if (!widget() || text === sentUser) return;
    widget().setUser(trackingId(), known);
    sentUser = text;
  });
}

/** Tell the widget who the visitor is, once they said so, and where they came from, once they allowed it. */
export function syncChatwoot() {
  if (!bridge || !widget() || !widget().hasLoaded) return;
  const { email, phone, name } = bridge.user();
  if (email || phone || name || started.size) identify();
  if (!allows('marketing') || !allows('analytics')) return;
  const attributes = originAttributes();
  const text = JSON.stringify(attributes);
  if (text === sentOrigin || !Object.keys(attributes).length) return;
  quietly(() => widget().setCustomAttributes(attributes));
  quietly(() => widget().setConversationCustomAttributes(attributes));
  quietly(() => widget().setLabel(`origem-${kebab(attributes.source)}`));
  sentOrigin = text;
}

/** Flat attributes of where the visitor came from, named as the delivered lead's. */
function originAttributes() {
  const { first, last, last_non_direct } = currentTouch();
  const point = last_non_direct || last;
  /** @type {Record<string, string>} */
  const attributes = {};
  if (!first || !point) return attributes;
  const params = point.params || {};
  for (const [name, value] of Object.entries(params)) attributes[name.replace(/^utm_/, '')] = cut(value, 255);
  attributes.source = sourceOf(point);
  attributes.medium ||= Object.keys(params).length ? 'cpc' : point.referrer ? 'referral' : 'direct';
  attributes.first_source = sourceOf(first);
  attributes.first_landing_page = cut(first.landing_url.split(/[?#]/)[0], 255);
  return attributes;
}

/** @param {TouchPoint} point */
function sourceOf(point) {
  const params = point.params || {};
  const byClick = CLICK_SOURCES.find(([id]) => Object.keys(params).some((name) => id.test(name)));
  const host = point.referrer && quietly(() => new URL(/** @type {string} */ (point.referrer)).hostname.replace(/^www\./, ''));
  return params.utm_source || (byClick ? byClick[1] : host || 'direct');
}

/** Lower case, words joined by hyphens, as Chatwoot writes labels. @param {string} text */
function kebab(text) {
  const plain = text.normalize('NFD').replace(/[\u0300-\u036f]/g, '');
  return plain.toLowerCase().replace(/[^a-z\d]+/g, '-').replace(/^-|-$/g, '');
}

/** E.164 of a number as people type it, or nothing when it cannot be one. @param {string} phone @param {string} callingCode */
function toE164(phone, callingCode) {
  const digits = phone.replace(/\D/g, '').replace(/^0+/, '');
  const full = /^\s*(\+|00)/.test(phone) || (digits.startsWith(callingCode) && digits.length > 11) ? digits : callingCode + digits;
  return /^\d{10,15}$/.test(full) ? '+' + full : '';
}

/** The visitor is somebody else now: the widget forgets the conversation too. */
export function resetChatwoot() {
  sentUser = sentOrigin = '';
  started.clear();
  quietly(() => widget() && widget().hasLoaded && widget().reset());
}
