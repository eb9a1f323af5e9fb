/** Who the visitor is, as a pseudonym, and which visit this is: `tracking_id` and the session, in one record. */
import { allows } from './consent.js';
import { forget, keep, recall } from './storage.js';
import { isUuid, uuid7 } from './text.js';

const RECORD = '_el';
const IDLE_MS = 30 * 60_000;
const LONGEST_MS = 24 * 3_600_000;

/**
 * @typedef {object} Visit
 * @property {string} trackingId
 * @property {string} sessionId
 * @property {number} startedAt ms
 * @property {number} activeAt ms
 */

/** @returns {Visit | undefined} */
function read() {
  const [trackingId, sessionId, startedAt, activeAt] = recall(RECORD).split('.');
  if (!isUuid(trackingId) || !isUuid(sessionId)) return undefined;
  return { trackingId, sessionId, startedAt: parseInt(startedAt, 36) || 0, activeAt: parseInt(activeAt, 36) || 0 };
}

/** @param {Visit} visit */
function write(visit) {
  const { trackingId, sessionId, startedAt, activeAt } = visit;
  keep(RECORD, [trackingId, sessionId, startedAt.toString(36), activeAt.toString(36)].join('.'), allows('analytics'));
}

/** Whether the session that was open when the page came has ended, or none was. */
export function isSessionOver() {
  const visit = read();
  const now = Date.now();
  return !visit || now - visit.activeAt > IDLE_MS || now - visit.startedAt > LONGEST_MS;
}

/**
 * The visit now, marked active. Read anew each time: another tab may have moved it on.
 * @param {boolean} [startSession] open a new session whatever the clock says
 * @returns {Visit}
 */
export function visitNow(startSession) {
  const now = Date.now();
  const known = read();
  const visit =
    known && !startSession && !isSessionOver()
      ? { ...known, activeAt: now }
      : { trackingId: known ? known.trackingId : uuid7(), sessionId: uuid7(), startedAt: now, activeAt: now };
  write(visit);
  return visit;
}

/** Become somebody else: a new pseudonym and a new session. */
export function newVisitor() {
  write({ trackingId: uuid7(), sessionId: uuid7(), startedAt: Date.now(), activeAt: Date.now() });
}

/** Keep the pseudonym for this page only. */
export const forgetVisitor = () => forget(RECORD);
