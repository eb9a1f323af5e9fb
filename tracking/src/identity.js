/** Who the visitor is, as a pseudonym, and which visit this is: `tracking_id` and the session, in one record. */
import { allowsAnalytics } from './consent.js';
import { keep, pack, unpack } from './storage.js';
import { now, uuid7 } from './text.js';

/**
 * @typedef {object} Visit
 * @property {string} tracking_id
 * @property {string} session_id
 * @property {number} active the last sign of life, ms
 * @property {number} [due] when the collector is to be asked for the id, ms
 * @property {boolean} [reset] the collector's cookie is another visitor's, and has still to be replaced
 */

/** @returns {Visit} */
export const read = () => unpack('_el');

/** Whether the visitor has been idle for 30 min, or the session has lasted 24 h: its id begins with its time. @param {Visit} [visit] */
export const isSessionOver = ({ active, session_id } = read()) =>
  !(now() - active < 18e5 && now() - parseInt(session_id?.replace('-', ''), 16) < 864e5);

/** Whether the collector is to be asked who the visitor is. */
export const isDue = () => !(now() < /** @type {number} */ (read().due));

/**
 * The ids of the visit now, which is marked active. Read anew each time: another tab may have moved it on.
 * @param {Partial<Visit>} [changes] what is known better; with `active: 0` a session opens whatever the clock says
 */
export function visitNow(changes) {
  const visit = { ...read(), ...changes };
  visit.tracking_id ||= uuid7();
  if (isSessionOver(visit)) visit.session_id = uuid7();
  visit.active = now();
  keep('_el', pack(visit), allowsAnalytics());
  const { tracking_id, session_id } = visit;
  return { tracking_id, session_id };
}
