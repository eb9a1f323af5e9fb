/**
 * What script and collector say of who the visitor is: its HttpOnly cookie outlives what browsers leave to scripts, and its
 * tokens take the visitor to the tenant's other domains.
 */
import { collector } from './config.js';
import { allowsAnalytics } from './consent.js';
import { isDue, read, visitNow } from './identity.js';
import { post } from './post.js';
import { entries, save } from './queue.js';
import { now, quietly } from './text.js';
import { foreign, without } from './touch.js';

/** The token in an address. */
export const TOKEN = /\b_el=([^&#]*)&?/;

/** The token that the visitor came with, until the collector has read it. @type {string | undefined} */
let brought;
/** The last token for links, of each tracking id this page had. @type {Record<string, string>} */
export const tokens = {};
/** What Chatwoot asks for with the tracking id, if it does. @type {string | undefined} */
export let identifierHash;
/** Resolves when the collector has said who the visitor is, or has not in time: events wait for it. Never rejects. */
export let introduced = /** @type {Promise<any>} */ (Promise.resolve());

/** Take the token out of the address, before anybody reads it. It is for who is new here: anybody can make a link with one. */
export function receive() {
  const token = TOKEN.exec(location.search);
  if (!token) return;
  history.replaceState(history.state, '', without(location.href, TOKEN));
  if (!read().active) brought = token[1];
}

/** Ask at the start, when the cookie is new or old: Safari keeps some for 7 days only; and have it removed on refusal. @param {boolean} [isDecided] */
export const introduce = (isDecided) => (allowsAnalytics() ? isDue() : isDecided) && ask();

/** Only the collector of this very origin has a cookie here, and tokens are for other domains. One after the other: the last answer counts. */
export function ask() {
  if (collector.startsWith(location.origin) || brought || foreign[0]) introduced = introduced.then(converse).catch(quietly); // blocked, or offline
}

async function converse() {
  if (!allowsAnalytics()) return post('/i', { forget: true });
  visitNow({ due: now() + 432000000 }); // 5 days, also when there is no answer
  const { tracking_id, reset } = read();
  const answer = await (await post('/i', { tracking_id, reset, link: brought })).json();
  if (!answer.tracking_id || tracking_id !== visitNow().tracking_id) return; // a problem document; or a reset meanwhile
  visitNow({ tracking_id: answer.tracking_id, reset: (brought = undefined) }); // both are done with
  for (const [, event] of entries()) if (event.tracking_id === tracking_id) save({ ...event, tracking_id: answer.tracking_id });
  tokens[answer.tracking_id] = answer.link;
  identifierHash = answer.identifier_hash;
}
