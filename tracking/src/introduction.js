/** The collector's word on who the visitor is: its HttpOnly cookie outlives what browsers leave to scripts. */
import { isSameOrigin } from './config.js';
import { allows } from './consent.js';
import { isDue, visitNow } from './identity.js';
import { post } from './post.js';
import { entries, save } from './queue.js';
import { json, now } from './text.js';

const DAY = 86400000;

/** What Chatwoot asks for with the tracking id, if it does. @type {string | undefined} */
export let identifierHash;

/** Resolves when the collector has said who the visitor is, or has not in time: events wait for it. Never rejects. */
export let introduced = Promise.resolve();

/** Ask at the start, when the cookie is new or old: Safari keeps some for 7 days only. */
export const introduce = () => isDue() && ask();

/** Only the collector of this very origin has a cookie here. */
export function ask() {
  if (isSameOrigin && allows('analytics')) introduced = converse().catch(() => {}); // blocked, or offline
}

async function converse() {
  const { tracking_id } = visitNow({ due: now() + DAY }); // no answer: once more in a later session
  const answer = await (await post('/i', json({ tracking_id }))).json();
  if (!answer.tracking_id) return; // a problem document
  visitNow({ tracking_id: answer.tracking_id, due: now() + 5 * DAY });
  for (const [, event] of entries()) if (event.tracking_id === tracking_id) save({ ...event, tracking_id: answer.tracking_id });
  identifierHash = answer.identifier_hash;
}
