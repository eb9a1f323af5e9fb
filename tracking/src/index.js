/** EchoLead's browser script. The page talks to it through `window.echolead(command, …)`; it never throws into the page. */
import { resetChatwoot, startChatwoot, syncChatwoot } from './chatwoot.js';
import { chatwoot } from './config.js';
import { allows, consentOfEvent, decide, isWaiting } from './consent.js';
import { watchForms } from './forms.js';
import { isSessionOver, visitNow } from './identity.js';
import { countPage, pageReferrer, startPages } from './pages.js';
import { claim, entries, push, remove } from './queue.js';
import { clock, cut, quietly, uuid7 } from './text.js';
import { arrive, arriveAsNew, currentTouch, store, withoutClickIds, withoutMarketing } from './touch.js';
import { flush, startTransport } from './transport.js';
import { forgetUser, know, user } from './user.js';

/** @typedef {import('./queue.js').Event} Event */
/** @typedef {import('./user.js').User} User */

/** @type {Event[]} what happened before the visitor decided on consent; lost with the page, as agreed */
let held = [];

/** Sent whatever `analytics` says: the visitor asked for it themself, or it is the decision. @param {Event} event */
const isOwed = ({ name }) => /^(form_submit|identify|consent)$/.test(name);

/** @param {string} name @param {object} [properties] @param {User} [said] what the visitor said of themself */
const record = (name, properties, said) =>
  quietly(() => {
    // The page's own properties may be too many, a circle, or no object: the event goes without them.
    const text = quietly(() => JSON.stringify(properties)) || '';
    admit({
      event_id: uuid7(),
      name,
      ...visitNow(),
      occurred_at: clock(),
      page: {
        url: cut(location.href),
        title: cut(document.title, 500),
        referrer: cut(pageReferrer()),
        query: cut(location.search.slice(1)),
      },
      touch: structuredClone(currentTouch()),
      context: {
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        screen: screen.width + 'x' + screen.height,
        viewport: innerWidth + 'x' + innerHeight,
        script_version: SCRIPT_VERSION,
      },
      user: said && know(said),
      properties: text[0] === '{' && text.length < 40000 ? JSON.parse(text) : {},
    });
    queueMicrotask(syncChatwoot);
  });

/** Queue an event as far as the visitor allows; hold it while they have not said. @param {Event} event */
function admit(event) {
  if (isWaiting() && !isOwed(event)) held.push(event);
  else if (permitted(event)) {
    push(event);
    queueMicrotask(flush);
  }
}

/** Take out of the event what consent forbids. @param {Event} event @returns {boolean} whether it may go at all */
function permitted(event) {
  event.consent = consentOfEvent();
  if (!allows('marketing')) {
    const { page, touch } = event;
    for (const field of ['url', 'referrer', 'query']) page[field] = withoutClickIds(page[field]);
    withoutMarketing(touch);
  }
  return allows('analytics') || isOwed(event);
}

/** @type {Record<string, (...args: any[]) => void>} */
const commands = {
  /** `echolead('event', 'quote_requested', {plan: 'pro'})` */
  event: record,

  /** `echolead('identify', {email, phone, name, external_id})`; nothing new is nothing to send. */
  identify(given) {
    const before = JSON.stringify(user);
    know(given);
    if (JSON.stringify(user) !== before) record('identify', {}, given);
  },

  /** `echolead('consent', {analytics: true, marketing: false}, {policy_version: '3'})`, or `'granted'`, `'denied'`. */
  consent(purposes, detail) {
    decide(purposes, detail);
    visitNow();
    store();
    held.splice(0).forEach(admit);
    for (const { event } of entries()) (permitted(event) ? claim : remove)(event);
    record('consent');
  },

  /** `echolead('page')`: count a page view the script cannot see by itself. */
  page: countPage,

  /** `echolead('ready', ({tracking_id, session_id}) => …)`: the page's callback, whose errors stay the page's own. */
  ready: (callback) => setTimeout(callback, 0, visitNow()),

  /** `echolead('reset')`: the next visitor at this browser is somebody else. */
  reset() {
    visitNow(true, true);
    forgetUser();
    arriveAsNew();
    resetChatwoot();
  },
};

quietly(() => {
  const page = /** @type {any} */ (window);
  const { q = [], v } = page.echolead || {};
  if (v) return; // the tag is on the page twice
  visitNow(arrive(isSessionOver()));
  startTransport();

  /** @param {string} name @param {...any} args */
  page.echolead = (name, ...args) => void quietly(() => commands[name](...args));
  page.echolead.v = SCRIPT_VERSION;
  startPages(record);
  for (const call of q) page.echolead(...call);
  watchForms((properties, said) => record('form_submit', properties, said));
  if (chatwoot !== 'off') startChatwoot(record);
});
