/**
 * The bridge to Chatwoot's web widget (`window.$chatwoot`, events `chatwoot:*` on the window).
 *
 * `setUser` throws without a name, an e-mail or a picture. Conversation attributes have no effect before the conversation
 * exists, which is when the visitor's first message comes back.
 */
import { chatwoot } from '../config.js';
import { allowsAnalytics, allowsMarketing } from '../consent.js';
import { onEvent, record } from '../events.js';
import { currentVisit } from '../identity.js';
import { listen, quietly } from '../quietly.js';
import { local } from '../storage.js';
import { toJson, truncate } from '../text.js';
import { currentTouch } from '../touch.js';
import { cleanUser, user } from './user.js';
import { afterAnswer, askCollector, identifierHash } from './collector-id.js';

const OF_VISITOR = 0; // `message_type` of a message that the visitor wrote

/** The visitor's conversation, and what the widget was given last: once a browser, not once a page. */
let [conversationId, given] = ['', ''];
/** The name of a visitor who talks and has not given one: the widget's own, once it is known. */
let placeholderName = 'Visitante';

const save = () => quietly(() => (local._elw = toJson([conversationId, given])));

const widget = () => /** @type {any} */ (window).$chatwoot;

export function startChatwoot() {
  if (chatwoot === 'off') return;
  [conversationId, given] = quietly(() => JSON.parse(local._elw)) || [conversationId, given];
  listen(['chatwoot:ready'], syncWidget);
  listen(['chatwoot:opened'], () => record('chat_open'));
  listen(['chatwoot:on-message'], ({ detail }) => {
    if (detail.message_type === OF_VISITOR) receiveMessage(detail);
  });
  onEvent(() => afterAnswer(syncWidget));
  quietly(syncWidget);
}

/**
 * The visitor's first message in a conversation is its start. `chatwoot:on-start-conversation` is not: it says that a button
 * was pressed, and many who press it write nothing.
 * @param {{conversation_id: unknown, sender?: Record<string, string>}} message
 */
function receiveMessage({ conversation_id, sender = {} }) {
  if (conversationId === truncate(conversation_id)) return;
  conversationId = truncate(conversation_id);
  if (!identifierHash && allowsAnalytics()) askCollector();
  const { name, email, phone_number: phone } = sender;
  placeholderName = name || placeholderName;
  const isNameGiven = email || phone; // the widget makes up a name for everybody else
  record('chat_start', { conversation_id: conversationId }, cleanUser({ email, phone, name: isNameGiven && name }));
}

/** Give the widget the visitor, once they talk, and where they came from, once they allow it. */
function syncWidget() {
  if (!widget()?.hasLoaded || !allowsAnalytics()) return;
  const id = currentVisit().tracking_id;
  const name = user.name || (user.email ? undefined : placeholderName);
  const profile = { name, email: user.email, identifier_hash: identifierHash };
  const origin = allowsMarketing() && originAttributes();
  const latest = toJson([id, profile, origin, conversationId]);
  if (latest === given) return;
  given = latest;
  save();
  // `setUser` makes a contact: before the visitor talks it would make a second one of a lead with another browser.
  if (conversationId) widget().setUser(id, profile);
  if (!origin) return;
  widget().setCustomAttributes(origin);
  if (conversationId) widget().setConversationCustomAttributes(origin);
}

/** Where the visitor came from, named as the attributes of a delivered lead. */
function originAttributes() {
  const { first, last, last_non_direct } = currentTouch();
  const { params, referrer } = last_non_direct || last;
  /** @type {Record<string, string>} */
  const origin = {};
  for (const name of Object.keys(params)) origin[name.replace(/^utm_/, '')] = params[name];
  origin.source ||= sourceOf(params, referrer);
  origin.first_landing_page = first.landing_url.split(/[?#]/)[0];
  return origin;
}

/** @param {Record<string, string>} params @param {string} referrer */
function sourceOf({ gclid, fbclid }, referrer) {
  if (gclid) return 'google';
  if (fbclid) return 'facebook';
  return referrer ? new URL(referrer).host : 'direct';
}

/** Another visitor follows: the widget forgets the conversation, too. */
export function resetChatwoot() {
  if (chatwoot === 'off') return;
  conversationId = given = '';
  save();
  widget().reset();
}
