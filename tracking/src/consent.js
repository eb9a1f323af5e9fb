/** What the visitor allowed. A decision is kept; without one, the page's default holds. */
import { escape, keep, recall, unescape } from './storage.js';
import { cut, iso, quietly } from './text.js';

const RECORD = '_elc';
/** Sent whatever `analytics` says: the visitor asked for these themself, or they are the decision. */
export const ALWAYS = ['form_submit', 'identify', 'consent'];

/**
 * @typedef {object} Decision
 * @property {Record<string, boolean>} purposes
 * @property {string} [basis]
 * @property {string} [policy_version]
 * @property {string} [at]
 */

/** @type {'granted' | 'denied' | 'wait'} */
let fallback = 'granted';
/** @type {Decision | undefined} */
let decision;

/** @param {'granted' | 'denied' | 'wait'} byDefault */
export function startConsent(byDefault) {
  fallback = byDefault;
  decision = quietly(() => JSON.parse(unescape(recall(RECORD))));
}

/**
 * @param {string | Record<string, boolean>} purposes `'granted'`, `'denied'`, or purposes one by one; those not named stay
 * @param {{basis?: string, policy_version?: string}} [detail]
 */
export function decide(purposes, detail = {}) {
  const all = purposes === 'granted';
  decision = {
    purposes:
      typeof purposes === 'string'
        ? { analytics: all, marketing: all }
        : { analytics: allows('analytics'), marketing: allows('marketing'), ...purposes },
    basis: cut(detail.basis || 'consent', 2048),
    policy_version: cut(detail.policy_version, 2048),
    at: iso(Date.now()),
  };
  keep(RECORD, escape(JSON.stringify(decision)), true);
}

/** @param {string} purpose */
export function allows(purpose) {
  return decision ? decision.purposes[purpose] === true : fallback === 'granted';
}

/** Whether the visitor has still to decide, and nothing may be stored or sent until then. */
export const isWaiting = () => !decision && fallback === 'wait';

/** The consent an event carries: none where the page never asked, so that the tenant's default holds. */
export function consentOfEvent() {
  if (decision) return decision;
  return fallback === 'granted' ? undefined : { purposes: { analytics: false, marketing: false }, basis: 'default' };
}
