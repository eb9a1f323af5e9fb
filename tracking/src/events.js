/** Makes an event of what happened, with ids, page and arrivals, and queues what consent leaves of it. */
import { asAllowed } from './campaign.js';
import { allowsAnalytics, consentOfEvent, isUndecided } from './consent.js';
import { currentVisit } from './identity.js';
import { uuidV7 } from './ids.js';
import { quietly } from './quietly.js';
import { entries, push, remove } from './queue.js';
import { timestamp, toJson, truncate } from './text.js';
import { currentTouch } from './touch.js';
import { flush } from './transport.js';
import { pageReferrer } from './view.js';

/** @typedef {import('./queue.js').Event} Event */
/** @typedef {{email?: string, phone?: string, name?: string, external_id?: string}} User */

const MAX_PROPERTIES_CHARACTERS = 40000;
/** Sent whatever the visitor allows: they asked for it, or it is their decision. */
const ALWAYS_SENT = ['form_submit', 'identify', 'consent'];

/** Whether the build has a feature that calls `onEvent`. */
const HAS_LISTENERS = FEATURE_ATTENTION || FEATURE_CHAT || FEATURE_FIELDS || FEATURE_USER;

/** @type {Event[]} what happened before the visitor decided; it is lost with the page */
let held = [];
/** @type {((name: string, user?: User) => void)[]} */
const listeners = [];

/** Call back after each event was queued or held. @param {(name: string, user?: User) => void} listener */
export function onEvent(listener) {
  listeners.push(listener);
}

/** The page's own properties; none when they are too large, a circle, or no object. @param {unknown} given */
function readProperties(given) {
  const text = quietly(() => toJson(given)) || '';
  return text.startsWith('{') && text.length <= MAX_PROPERTIES_CHARACTERS ? JSON.parse(text) : {};
}

const page = () => ({
  url: truncate(location.href, 4096),
  title: truncate(document.title),
  referrer: truncate(pageReferrer()),
  ...(FEATURE_CONTEXT && { query: truncate(location.search).slice(1) }),
});

const context = () => ({
  language: navigator.language,
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  screen: `${screen.width}x${screen.height}`,
  viewport: `${innerWidth}x${innerHeight}`,
  script_version: SCRIPT_VERSION,
});

/**
 * @param {string} name
 * @param {object} [properties]
 * @param {User} [user] what the visitor said about themself
 */
export function record(name, properties, user) {
  quietly(() =>
    enqueue({
      event_id: uuidV7(),
      name,
      ...currentVisit(),
      occurred_at: timestamp(),
      page: page(),
      touch: currentTouch(),
      ...(FEATURE_CONTEXT && { context: context() }),
      user,
      properties: readProperties(properties),
    }),
  );
  if (HAS_LISTENERS) for (const listener of listeners) quietly(() => listener(name, user));
}

/** Queue an event as far as the visitor allows; hold it while they have not decided. @param {Event} event */
function enqueue(event) {
  if (allowsAnalytics() || ALWAYS_SENT.includes(event.name)) {
    push({ ...asAllowed(event), consent: consentOfEvent() });
    flush();
  } else if (isUndecided()) {
    held.push(event);
  }
}

/** Apply the visitor's decision to what is held and to what is queued. */
export function reviewEvents() {
  const events = [...held, ...entries().map(([, event]) => event)];
  held = [];
  events.forEach((event) => {
    remove(event);
    enqueue(event);
  });
}
