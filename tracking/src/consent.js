/** What the visitor allowed. A decision is kept; without one, the page's default holds. */
import { consent } from './config.js';
import { keep, pack, unpack } from './storage.js';
import { clock, cut } from './text.js';

/**
 * @typedef {object} Decision
 * @property {Record<string, boolean>} purposes
 * @property {string} basis `granted`, `wait` and `denied` are the page's default, not yet the visitor's word
 * @property {string} [policy_version]
 * @property {string} [at] when the visitor decided
 */

/** @param {string} word */
const both = (word) => ({ analytics: word === 'granted', marketing: word === 'granted' });

/** @type {Decision} */
let decision = unpack('_elc') || { purposes: both(consent), basis: consent };

/**
 * @param {string | Record<string, boolean>} purposes `'granted'`, `'denied'`, or purposes one by one; those not named stay
 * @param {{basis?: string, policy_version?: string}} [detail]
 */
export function decide(purposes, { basis = 'consent', policy_version } = {}) {
  decision = {
    purposes: { ...decision.purposes, ...(/** @type {any} */ (purposes).replace ? both(/** @type {any} */ (purposes)) : /** @type {any} */ (purposes)) },
    basis,
    policy_version: cut(policy_version),
    at: clock(),
  };
  keep('_elc', pack(decision), true);
}

export const allowsAnalytics = () => decision.purposes.analytics === true;
export const allowsMarketing = () => decision.purposes.marketing === true;

/** Whether the visitor has still to decide, and nothing may be stored or sent until then. */
export const isWaiting = () => decision.basis === 'wait';

/** None where the page never asked: all is allowed, and the tenant's default holds. */
export const consentOfEvent = () => (decision.basis === 'granted' ? undefined : decision);
