/** EchoLead's browser script. The page talks to it through `window.echolead(command, …)`; it never throws into the page. */
import { arrive, arriveAsNew, foreign, store } from './touch.js';
import { resetChatwoot, startChatwoot } from './chatwoot.js';
import { chatwoot } from './config.js';
import { watchAttention } from './attention.js';
import { decide } from './consent.js';
import { record, review } from './events.js';
import { watchForms } from './forms.js';
import { isSessionOver, visitNow } from './identity.js';
import { ask, introduce, receive } from './introduction.js';
import { watchHandover } from './handover.js';
import { watchLinks } from './links.js';
import { countPage, look, watchPages } from './pages.js';
import { json, quietly } from './text.js';
import { startTransport } from './transport.js';
import { forgetUser, know, user } from './user.js';

/** @type {Record<string, (...args: any[]) => void>} */
const commands = {
  /** `echolead('event', 'quote_requested', {plan: 'pro'})` */
  event: record,

  /** `echolead('identify', {email, phone, name, external_id})`; nothing new is nothing to send. */
  identify(given) {
    const before = json(user);
    know(given);
    if (json(user) !== before) record('identify', {}, given);
  },

  /** `echolead('consent', {analytics: true, marketing: false}, {policy_version: '3'})`, or `'granted'`, `'denied'`. */
  consent(purposes, detail) {
    decide(purposes, detail);
    visitNow();
    store();
    introduce(true);
    review();
    record('consent');
  },

  /** `echolead('page')`: count a page view the script cannot see by itself. */
  page: countPage,

  /** `echolead('ready', ({tracking_id, session_id}) => …)`: the page's callback, whose errors stay the page's own. */
  ready: (callback) => setTimeout(callback, 0, visitNow()),

  /** `echolead('reset')`: the next visitor at this browser is somebody else. */
  reset() {
    visitNow({ tracking_id: '', active: 0, reset: true }); // the collector's cookie is the old visitor's
    ask();
    forgetUser();
    arriveAsNew();
    resetChatwoot();
  },
};

quietly(() => {
  const page = /** @type {any} */ (window);
  const { q = [], v } = page.echolead || {};
  if (v) return; // the tag is on the page twice
  receive();
  visitNow(/** @type {any} */ (arrive(isSessionOver()) && { active: 0 }));
  introduce();
  startTransport();

  /** @param {string} name @param {...any} args */
  page.echolead = (name, ...args) => quietly(() => commands[name](...args));
  page.echolead.v = 1;
  watchPages();
  look();
  for (const call of q) page.echolead(...call);
  setInterval(() => quietly(look), 1000);
  watchForms();
  watchLinks();
  if (foreign[0]) watchHandover();
  watchAttention();
  if (chatwoot !== 'off') startChatwoot();
});
