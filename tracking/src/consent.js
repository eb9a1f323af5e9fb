/** What the visitor allowed. A decision is kept; without one, the page's default holds. */
import { consent } from './config.js';
import { keep, pack, unpack } from './storage.js';
import { clock, cut, json, parse } from './text.js';

/**
 * @typedef {object} Decision
 * @property {Record<string, boolean>} purposes
 * @property {string} basis `granted`, `wait` and `denied` are the page's default, not yet the visitor's word
 * @property {string} [policy_version]
 * @property {string} [at] when the visitor decided
 */

/** @param {string} [word] */
const both = (word) => ({ analytics: word === 'granted', marketing: word === 'granted' });

/** @type {Decision} */
let decision = { purposes: both(consent), basis: consent, ...unpack('_elc') };

/**
 * Throws, and nothing is decided, for anything else: a word misspelt may not withdraw what the visitor granted.
 * @param {any} purposes `'granted'`, `'denied'`, or purposes one by one, true or false; those not named stay.
 *   As JSON that is an object with nothing else in it; no purpose has a colon in its name.
 * @param {{basis?: string, policy_version?: string}} [detail]
 */
export function decide(purposes, detail) {
  decision = {
    purposes: {
      ...decision.purposes,
      ...parse(/** @type {any} */ (/^{([^:]+:(true|false).)+$/.exec(json({ granted: both('granted'), denied: both() }[/** @type {'denied'} */ (purposes)] || purposes)))[0]),
    },
    basis: detail?.basis || 'consent',
    policy_version: cut(detail?.policy_version),
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
