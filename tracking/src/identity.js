/** The visitor's pseudonym and the visit, `tracking_id` and `session_id`, in one record. */
import { allowsAnalytics } from './consent.js';
import { uuidV7 } from './ids.js';
import { readRecord, saveRecord } from './storage.js';

const RECORD = '_el';
const IDLE_MS = 30 * 60 * 1000;
const MAX_SESSION_MS = 24 * 3600 * 1000;

/**
 * @typedef {object} Visit
 * @property {string} tracking_id
 * @property {string} session_id
 * @property {number} started when the session began, ms
 * @property {number} active the last sign of life, ms
 * @property {number} [due] when to ask the collector for the id, ms
 * @property {boolean} [reset] the collector's cookie belongs to the visitor before, and has still to be replaced
 */

/** @returns {Visit} */
export const readVisit = () => readRecord(RECORD);

/** Whether the visitor was idle for 30 min, or the session is 24 h old, or there is none. @param {Visit} [visit] */
export function isSessionOver({ active, started } = readVisit()) {
  const isRunning = Date.now() - active < IDLE_MS && Date.now() - started < MAX_SESSION_MS; // not so when a time is missing
  return !isRunning;
}

/**
 * The ids of the visit, which is marked active. It is read anew each time: another tab may have changed it.
 * @param {Partial<Visit> | false} [changes] with `active: 0` a session opens whatever the clock says
 */
export function currentVisit(changes) {
  const visit = { ...readVisit(), ...changes };
  visit.tracking_id ||= uuidV7();
  if (isSessionOver(visit)) {
    visit.session_id = uuidV7();
    visit.started = Date.now();
  }
  visit.active = Date.now();
  saveRecord(RECORD, visit, allowsAnalytics());
  return { tracking_id: visit.tracking_id, session_id: visit.session_id };
}
