/** What the visitor allows. A decision is kept; without one the page's default holds. */
import { consent } from './config.js';
import { readRecord, saveRecord } from './storage.js';
import { timestamp, toJson, truncate } from './text.js';

const RECORD = '_elc';
/** JSON of an object with booleans and nothing else. */
const BOOLEANS = /^{("[^"]+":(true|false),?)+}$/;

/**
 * @typedef {object} Decision
 * @property {Record<string, boolean>} purposes
 * @property {string} basis `granted`, `wait` and `denied` are the page's default; any other is the visitor's decision
 * @property {string} [policy_version]
 * @property {string} [at] when the visitor decided
 */

/** @param {boolean} isAllowed */
const everyPurpose = (isAllowed) => ({ analytics: isAllowed, marketing: isAllowed });

/** @type {Decision} */
let decision;

/** Called when the script starts: another page may decide while this one is prerendered. */
export function readDecision() {
  decision = { purposes: everyPurpose(consent === 'granted'), basis: consent, ...readRecord(RECORD) };
}

/**
 * The purposes in the argument of a `consent` call. Throws for anything but the two words and an object of booleans.
 * @param {any} given
 * @returns {Record<string, boolean>}
 */
function readPurposes(given) {
  const isWord = given === 'granted' || given === 'denied';
  const text = toJson(isWord ? everyPurpose(given === 'granted') : given);
  return JSON.parse(/** @type {any} */ (BOOLEANS.exec(text))[0]);
}

/**
 * Throws and changes nothing for a call without a decision: a misspelt word must not withdraw a consent.
 * @param {any} given `'granted'`, `'denied'`, or purposes with true or false; a purpose not named stays as it was
 * @param {{basis?: string, policy_version?: string}} [detail]
 */
export function decide(given, detail) {
  decision = {
    purposes: { ...decision.purposes, ...readPurposes(given) },
    basis: detail?.basis || 'consent',
    policy_version: truncate(detail?.policy_version),
    at: timestamp(),
  };
  saveRecord(RECORD, decision, true);
}

export const allowsAnalytics = () => decision.purposes.analytics === true;
export const allowsMarketing = () => decision.purposes.marketing === true;

/** Whether nothing may be stored or sent until the visitor decides. */
export const isUndecided = () => decision.basis === 'wait';

/** The `consent` of an event; undefined where the page does not ask, as the tenant's default holds there. */
export const consentOfEvent = () => (decision.basis === 'granted' ? undefined : decision);
