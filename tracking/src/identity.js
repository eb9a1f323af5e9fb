/** Who the visitor is, as a pseudonym, and which visit this is: `tracking_id` and the session, in one record. */
import { allows } from './consent.js';
import { keep, recall } from './storage.js';
import { now, uuid7 } from './text.js';

/** The record's two ids and two times (session start, last sign of life; ms), if it is whole. */
const read = () => /^([\da-f-]{36})\.([\da-f-]{36})\.(\d+)\.(\d+)$/.exec(recall('_el')) || [];

/** Whether the session that was open has ended, 30 min idle or 24 h long, or none was. */
export function isSessionOver() {
  const [, tracking, , start, active] = read();
  return !tracking || now() - +active > 1800000 || now() - +start > 86400000;
}

/**
 * The visit now, marked active. Read anew each time: another tab may have moved it on.
 * @param {boolean} [opensSession] open a new session whatever the clock says
 * @param {boolean} [isNobody] forget who it was
 */
export function visitNow(opensSession, isNobody) {
  const [, tracking, session, start] = read();
  const isNew = opensSession || isSessionOver();
  const tracking_id = (!isNobody && tracking) || uuid7();
  const session_id = isNew ? uuid7() : session;
  keep('_el', [tracking_id, session_id, isNew ? now() : start, now()].join('.'), allows('analytics'));
  return { tracking_id, session_id };
}
