/**
 * The collector's own id of the visitor: its HttpOnly cookie outlives what browsers leave to scripts. The same request hands
 * out tokens for links to the tenant's other domains, and redeems them.
 */
import { collector } from '../config.js';
import { allowsAnalytics } from '../consent.js';
import { foreignHosts } from '../foreign-hosts.js';
import { currentVisit, readVisit } from '../identity.js';
import { quietly } from '../quietly.js';
import { entries, save } from '../queue.js';
import { post } from '../request.js';
import { holdUntil } from '../transport.js';

const ASK_AGAIN_MS = 5 * 24 * 3600 * 1000; // Safari keeps some cookies for 7 days only

/** Resolves when the collector has answered the last question, or has not in time. Never rejects. @type {Promise<unknown>} */
let answered = Promise.resolve();
/** Chatwoot's proof that the tracking id is ours, where its inbox asks for one. @type {string | undefined} */
export let identifierHash;
/** @type {string | undefined} the token that the visitor came with, until the collector has redeemed it */
let receivedToken;
/** @type {Record<string, string>} the last token for links, by tracking id */
const linkTokens = {};

/** The token for links of this visitor, once the collector has answered. */
export const linkToken = () => linkTokens[currentVisit().tracking_id];

/** Call back once the collector has answered, or has not in time. @param {() => void} callback */
export function afterAnswer(callback) {
  answered.then(() => quietly(callback));
}

/** Have a token redeemed with the next question. @param {string} token */
export function redeem(token) {
  receivedToken = token;
}

/** Only a collector of this very origin has a cookie here; tokens are for other domains. */
const isAnswerOfUse = () => collector.startsWith(location.origin) || receivedToken || foreignHosts().length > 0;

/** Ask who the visitor is, one question after the other: the last answer counts. Events wait for it. */
export function askCollector() {
  if (!isAnswerOfUse()) return;
  answered = answered.then(converse).catch(() => {}); // blocked, or offline
  holdUntil(answered);
}

/** Ask when the collector's cookie is missing or was last asked for 5 days ago. */
export function askIfDue() {
  const { due = 0 } = readVisit();
  if (allowsAnalytics() && Date.now() >= due) askCollector();
}

/** After a decision on consent: ask, or have the cookie removed. */
export function askAfterDecision() {
  if (allowsAnalytics()) askIfDue();
  else askCollector();
}

async function converse() {
  if (!allowsAnalytics()) return post('/i', { forget: true });
  currentVisit({ due: Date.now() + ASK_AGAIN_MS }); // whether or not an answer comes
  const { tracking_id, reset } = readVisit();
  const answer = await (await post('/i', { tracking_id, reset, link: receivedToken })).json();
  const isStale = tracking_id !== currentVisit().tracking_id; // a reset meanwhile
  if (!answer.tracking_id || isStale) return; // or a problem document
  receivedToken = undefined;
  currentVisit({ tracking_id: answer.tracking_id, reset: undefined });
  renameVisitor(tracking_id, answer.tracking_id);
  linkTokens[answer.tracking_id] = answer.link;
  identifierHash = answer.identifier_hash;
}

/** Give the events that wait the id that the collector knows. @param {string} from @param {string} to */
function renameVisitor(from, to) {
  for (const [, event] of entries()) if (event.tracking_id === from) save({ ...event, tracking_id: to });
}
