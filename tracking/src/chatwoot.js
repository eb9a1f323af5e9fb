/**
 * The bridge to Chatwoot's web widget (`window.$chatwoot`, events `chatwoot:*` on the window).
 *
 * `setUser` throws without a name, an e-mail or a picture. Conversation attributes do nothing before the conversation
 * exists, which is when the visitor's first message comes back.
 */
import { chatwoot } from './config.js';
import { allowsAnalytics, allowsMarketing } from './consent.js';
import { record } from './events.js';
import { visitNow } from './identity.js';
import { ask, identifierHash } from './introduction.js';
import { local } from './storage.js';
import { cut, json, on, parse, quietly } from './text.js';
import { currentTouch } from './touch.js';
import { user } from './user.js';

/** The conversation that was begun, and all that the widget has been told: once a browser, not once a page. */
let [chat, told] = quietly(() => parse(local._elw)) || ['', ''];
/** What to call a visitor who talks and has not said their name: as the widget does. */
let callName = 'Visitante';

const remember = () => quietly(() => (local._elw = json([chat, told])));

export function startChatwoot() {
  on('chatwoot:ready', syncChatwoot);
  on('chatwoot:opened', () => record('chat_open'));
  // The visitor's own message; the first of a conversation is its start. `on-start-conversation` says less than its name:
  // the button before the first message was pressed, and many who press it write nothing.
  on('chatwoot:on-message', ({ detail: { message_type, conversation_id, sender } }) => {
    if (message_type !== 0 || chat === cut(conversation_id)) return;
    if (!identifierHash && allowsAnalytics()) ask();
    chat = cut(conversation_id);
    const { name, email, phone_number: phone } = sender || {};
    callName = name || callName;
    // A name alone is one that the widget made up.
    record('chat_start', { conversation_id: chat }, { email, phone, name: (email || phone) && name });
  });
  syncChatwoot();
}

/** Tell the widget who the visitor is, once they talk, and where they came from, once they allowed it. */
export const syncChatwoot = () =>
  quietly(() => {
    const widget = /** @type {any} */ (window).$chatwoot;
    if (chatwoot === 'off' || !widget.hasLoaded || !allowsAnalytics()) return;
    const id = visitNow().tracking_id;
    const profile = { name: user.name || (user.email ? undefined : callName), email: user.email, identifier_hash: identifierHash };
    const origin = allowsMarketing() && originAttributes();
    const text = json([id, profile, origin, chat]);
    if (text === told) return;
    told = text;
    remember();
    // Not before they talk: `setUser` makes a contact, and one who only sent a form from a second browser would be there twice.
    if (chat) widget.setUser(id, profile);
    if (origin) {
      widget.setCustomAttributes(origin);
      if (chat) widget.setConversationCustomAttributes(origin);
    }
  });

/** Where the visitor came from, named as the attributes of the delivered lead. */
function originAttributes() {
  const { first, last, last_non_direct } = /** @type {Record<string, import('./touch.js').TouchPoint>} */ (currentTouch());
  const { params, referrer } = last_non_direct || last;
  const origin = parse(json(params).replace(/"utm_/g, '"'));
  origin.source ||= params.gclid ? 'google' : params.fbclid ? 'facebook' : referrer.split('/')[2] || 'direct';
  origin.first_landing_page = first.landing_url.split(/[?#]/)[0];
  return origin;
}

/** The visitor is somebody else now: the widget forgets the conversation too. */
export function resetChatwoot() {
  told = chat = '';
  remember();
  /** @type {any} */ (window).$chatwoot.reset();
}
