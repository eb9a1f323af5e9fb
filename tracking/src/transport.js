/** Sends what the queue holds: at once, again after a failure worth it, and with a beacon when the page goes. */
import { CLAIM_MS, claim, entries, isDue, isMine, remove, stillMine, worth } from './queue.js';
import { iso, quietly } from './text.js';

const MAX_BATCH_EVENTS = 50;
const MAX_BATCH_BYTES = 60_000; // browsers refuse a keepalive body over 64 KiB
const TIMEOUT_MS = 12_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;
const SETTLE_MS = 40; // what another tab writes is here by then

/** @typedef {import('./queue.js').Entry} Entry */

let endpoint = '';
let failures = 0;
let notBefore = 0;
/** @type {Set<string>} */
const inFlight = new Set();
let isSending = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} to */
export function startTransport(to) {
  endpoint = to;
  addEventListener('pagehide', leave);
  addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && leave());
  addEventListener('online', () => {
    notBefore = 0;
    flush();
  });
  schedule(1_000); // what earlier pages left behind
}

/** @param {number} ms */
function schedule(ms) {
  clearTimeout(timer);
  timer = setTimeout(flush, ms);
}

/** The oldest entries that fit one request. @param {Entry[]} due */
function batchOf(due) {
  const batch = [];
  let bytes = 64;
  for (const entry of due) {
    bytes += new Blob([entry.json]).size + 1;
    if (batch.length && (bytes > MAX_BATCH_BYTES || batch.length === MAX_BATCH_EVENTS)) break;
    batch.push(entry);
  }
  return batch;
}

/** @param {Entry[]} batch */
const bodyOf = (batch) => `{"sent_at":"${iso(Date.now())}","events":[${batch.map((entry) => entry.json).join()}]}`;

/** Send everything that is due, one request after the other. Never rejects. */
export async function flush() {
  if (isSending) return;
  isSending = true;
  try {
    while (Date.now() >= notBefore) {
      const due = entries().filter((entry) => isDue(entry) && !inFlight.has(entry.id));
      if (!due.length) break;
      let batch = batchOf(due);
      const adopted = batch.some((entry) => !isMine(entry));
      batch.forEach((entry) => claim(entry));
      if (adopted) {
        await new Promise((settled) => setTimeout(settled, SETTLE_MS * (1 + Math.random())));
        batch = batch.filter(stillMine);
      }
      if (batch.length) await send(batch);
    }
  } catch {
    failures++;
  }
  isSending = false;
  const waiting = entries();
  if (waiting.length) {
    const mine = waiting.some(isMine) ? notBefore : Infinity;
    const others = Math.min(...waiting.map((entry) => (isMine(entry) ? Infinity : entry.until)));
    schedule(Math.max(Math.min(mine, others) - Date.now(), 100));
  }
}

/** @param {Entry[]} batch */
async function send(batch) {
  batch.forEach((entry) => inFlight.add(entry.id));
  let wait = -1;
  try {
    wait = await post(bodyOf(batch));
  } catch {
    wait = 0; // offline, blocked by an extension, or too slow
  }
  batch.forEach((entry) => inFlight.delete(entry.id));
  if (wait < 0) {
    failures = 0;
    batch.forEach((entry) => remove(entry.id));
    return;
  }
  const backoff = Math.min(FIRST_RETRY_MS * 2 ** failures++, LONGEST_RETRY_MS / 5) * (0.5 + Math.random() / 2);
  const pause = Math.min(Math.max(wait, backoff), LONGEST_RETRY_MS);
  notBefore = Date.now() + pause;
  batch.forEach((entry) => claim(entry, pause + CLAIM_MS));
}

/**
 * @param {string} body
 * @returns {Promise<number>} -1 when settled: accepted, or refused for good; else how long the collector asks to wait, ms
 */
async function post(body) {
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'text/plain' }, // a simple request: no preflight
      keepalive: new Blob([body]).size < 64_000,
      credentials: 'omit',
      signal: abort.signal,
    });
    if (response.status !== 429 && response.status < 500) return -1;
    const after = response.headers.get('Retry-After') || '';
    return (+after ? +after * 1000 : Date.parse(after) - Date.now()) || 0;
  } finally {
    clearTimeout(late);
  }
}

/**
 * The page goes: a beacon takes what no request has carried yet. Its answer is never known, so leads stay in the queue
 * and go once more from the next page; the collector's side drops the repetition by event_id.
 */
function leave() {
  quietly(() => {
    const batch = batchOf(entries().filter((entry) => isMine(entry) && !inFlight.has(entry.id)));
    if (!batch.length || Date.now() < notBefore) return;
    if (!navigator.sendBeacon(endpoint, new Blob([bodyOf(batch)], { type: 'text/plain' }))) return;
    for (const entry of batch) {
      if (worth((/"name":"(\w*)"/.exec(entry.json) || [])[1]) < 2) remove(entry.id);
      else claim(entry);
    }
  });
}
