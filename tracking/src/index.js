/** EchoLead's browser script. The page talks to it through `window.echolead(command, …)`; it never throws into the page. */
import { resetChatwoot, startChatwoot, syncChatwoot } from './chatwoot.js';
import { readConfig } from './config.js';
import { ALWAYS, allows, consentOfEvent, decide, isWaiting, startConsent } from './consent.js';
import { watchForms } from './forms.js';
import { forgetVisitor, isSessionOver, newVisitor, visitNow } from './identity.js';
import { countPage, pageReferrer, watchPages } from './pages.js';
import { push, rewrite } from './queue.js';
import { cut, iso, quietly, uuid7 } from './text.js';
import { arrive, arriveAsNew, currentTouch, mapPoints, queryWithoutClickIds, store, withoutClickIds, withoutMarketing } from './touch.js';
import { flush, startTransport } from './transport.js';

/** @typedef {import('./queue.js').Event} Event */
/** @typedef {import('./forms.js').User} User */

const USER = '_elu';
const MAX_URL = 4096;
const MAX_EVENT_CHARS = 60_000;

/** @type {Event[]} what happened before the visitor decided on consent; lost with the page, as agreed */
let held = [];
/** @type {User} what the visitor said of themself in this tab */
let user = {};

/** @param {string} name @param {unknown} [properties] @param {User} [said] */
function record(name, properties, said) {
  quietly(() => {
    const visit = visitNow();
    if (said) know(said);
    /** @type {Event} */
    const event = {
      event_id: uuid7(),
      name,
      tracking_id: visit.trackingId,
      session_id: visit.sessionId,
      occurred_at: iso(Date.now()),
      page: {
        url: cut(location.href, MAX_URL),
        title: cut(document.title, 500),
        referrer: cut(pageReferrer(), MAX_URL),
        query: cut(location.search.slice(1), MAX_URL),
      },
      touch: currentTouch(),
      context: {
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        screen: `${screen.width}x${screen.height}`,
        viewport: `${innerWidth}x${innerHeight}`,
        script_version: SCRIPT_VERSION,
      },
      user: said && Object.keys(said).length ? said : undefined,
      properties: plain(properties),
    };
    admit(JSON.parse(JSON.stringify(event)));
  });
}

/** The page's own properties, if they are an object that JSON can hold. @param {unknown} properties */
function plain(properties) {
  const text = quietly(() => JSON.stringify(properties)) || '';
  return /^{/.test(text) && text.length < MAX_EVENT_CHARS / 2 ? JSON.parse(text) : {};
}

/** Queue an event as far as the visitor allows; hold it while they have not said. @param {Event} event */
function admit(event) {
  const isOwed = ALWAYS.includes(event.name);
  if (isWaiting() && !isOwed) {
    held.push(event);
    return;
  }
  const allowed = permitted(event);
  if (!allowed) return;
  push(allowed);
  Promise.resolve().then(flush);
}

/** The event without what consent forbids, or nothing. @param {Event} event @returns {Event | undefined} */
function permitted(event) {
  if (!allows('analytics') && !ALWAYS.includes(event.name)) return undefined;
  const consent = consentOfEvent();
  if (allows('marketing')) return { ...event, consent };
  const { url, referrer, query } = event.page;
  return {
    ...event,
    consent,
    touch: mapPoints(event.touch, withoutMarketing),
    page: { ...event.page, url: withoutClickIds(url), referrer: withoutClickIds(referrer), query: queryWithoutClickIds(query) },
  };
}

/** Remember what the visitor said, for the chat widget on this page and the next of this tab. @param {User} said */
function know(said) {
  user = { ...user, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value)) };
  quietly(() => sessionStorage.setItem(USER, JSON.stringify(user)));
  Promise.resolve().then(syncChatwoot);
}

let lastIdentified = '';

/** @type {Record<string, (...args: any[]) => void>} */
const commands = {
  /** `echolead('event', 'quote_requested', {plan: 'pro'})` */
  event: (name, properties) => record(String(name), properties),

  /** `echolead('identify', {email, phone, name, external_id})`, or the external id alone or first. */
  identify(first, second) {
    const given = typeof first === 'object' ? first : { ...second, external_id: first };
    /** @type {User} */
    const said = {};
    for (const key of /** @type {(keyof User)[]} */ (['email', 'phone', 'name', 'external_id'])) {
      if (given[key]) said[key] = cut(given[key], 320);
    }
    const text = JSON.stringify([said, visitNow().sessionId]);
    if (text === lastIdentified || !Object.keys(said).length) return;
    lastIdentified = text;
    quietly(() => sessionStorage.setItem(USER + 'i', text));
    record('identify', {}, said);
  },

  /** `echolead('consent', {analytics: true, marketing: false}, {policy_version: '3'})`, or `'granted'`, `'denied'`. */
  consent(purposes, detail) {
    decide(purposes, detail);
    if (!allows('analytics')) forgetVisitor();
    store();
    const waiting = held;
    held = [];
    waiting.forEach(admit);
    rewrite(permitted);
    record('consent');
    syncChatwoot();
  },

  /** `echolead('page')`: count a page view the script cannot see by itself. */
  page: (properties) => countPage((given) => record('page_view', given), properties),

  /** `echolead('ready', ({tracking_id, session_id}) => …)`: the page's callback, whose errors stay the page's own. */
  ready(callback) {
    const { trackingId, sessionId } = visitNow();
    setTimeout(callback, 0, { tracking_id: trackingId, session_id: sessionId });
  },

  /** `echolead('reset')`: the next visitor at this browser is somebody else. */
  reset() {
    newVisitor();
    user = {};
    lastIdentified = '';
    quietly(() => [USER, USER + 'i'].forEach((key) => sessionStorage.removeItem(key)));
    arriveAsNew();
    resetChatwoot();
  },
};

function start() {
  const page = /** @type {any} */ (window);
  const waiting = (page.echolead && page.echolead.q) || [];
  if (page.echolead && !page.echolead.q && page.echolead.v) return; // the tag is on the page twice
  const config = readConfig();
  startConsent(config.consent);
  user = quietly(() => JSON.parse(sessionStorage.getItem(USER) || '{}')) || {};
  lastIdentified = quietly(() => sessionStorage.getItem(USER + 'i')) || '';
  visitNow(arrive(isSessionOver()));
  startTransport(config.endpoint);

  /** @param {string} name @param {...any} args */
  page.echolead = (name, ...args) => {
    quietly(() => commands[name](...args));
  };
  page.echolead.v = SCRIPT_VERSION;
  for (const call of waiting) page.echolead(...call);

  if (config.forms) watchForms((said, properties) => record('form_submit', properties, said));
  if (config.chatwoot) {
    startChatwoot({ trackingId: () => visitNow().trackingId, user: () => user, callingCode: config.callingCode, record });
  }
  if (!config.pages) return;
  /** @param {object} [properties] */
  const view = (properties) => record('page_view', properties);
  if (/** @type {any} */ (document).prerendering) {
    document.addEventListener('prerenderingchange', () => watchPages(view), { once: true });
  } else {
    watchPages(view);
  }
}

quietly(start);
