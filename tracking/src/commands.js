/** What the page can ask for: `window.echolead(command, …)`. */
import { decide } from './consent.js';
import { record, reviewEvents } from './events.js';
import { askAfterDecision } from './features/collector-id.js';
import { reset } from './features/reset.js';
import { identify } from './features/user.js';
import { currentVisit } from './identity.js';
import { countPage } from './pages.js';
import { saveTouch } from './touch.js';

/** @type {Record<string, (...args: any[]) => void>} */
export const commands = {
  /** `echolead('event', 'quote_requested', {plan: 'pro'})` */
  event: (name, properties) => record(name, properties),

  /** `echolead('consent', {analytics: true, marketing: false}, {policy_version: '3'})`, or `'granted'`, `'denied'`. */
  consent(purposes, detail) {
    decide(purposes, detail);
    currentVisit();
    saveTouch();
    if (FEATURE_COLLECTOR_ID) askAfterDecision();
    reviewEvents();
    record('consent');
  },

  /** `echolead('page')`: count a page view that the script cannot see. */
  page: countPage,

  /** `echolead('ready', ({tracking_id, session_id}) => …)`: an error in the callback is the page's. */
  ready: (callback) => setTimeout(callback, 0, currentVisit()),

  ...(FEATURE_USER && { identify, reset }),
};
