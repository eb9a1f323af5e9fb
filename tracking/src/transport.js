/** Sends what the queue holds: at once, again after a failure worth it, and with a beacon when the page goes. */
import { collector } from './config.js';
import { claim, entries, isLead, remove } from './queue.js';
import { clock, now, quietly } from './text.js';

/** A character is at most 3 bytes, and browsers refuse a keepalive body over 64 KiB. */
const MAX_CHARS = 20000;

/** @typedef {import('./queue.js').Entry} Entry */

let failures = 0;
let notBefore = 0;
let isSending = false;
/** @type {Entry[]} the request that is under way */
let batch = [];
/** @type {ReturnType<typeof setTimeout>} */
let timer;

export function startTransport() {
  for (const name of ['pagehide', 'visibilitychange']) addEventListener(name, leave); // phones may fire the second alone
  addEventListener('online', () => {
    notBefore = 0;
    flush();
  });
  timer = setTimeout(flush, 500); // what earlier pages left behind
}

/** The oldest of them that fit one request, at least one. @param {Entry[]} some */
function fitting(some) {
  let chars = 0;
  return some.filter((entry, i) => (chars += entry.chars) < MAX_CHARS || !i);
}

/** @param {Entry} a */
const isUnderWay = (a) => batch.some((b) => a.event.event_id === b.event.event_id);

/** @param {Entry[]} some */
const bodyOf = (some) => JSON.stringify({ sent_at: clock(), events: some.map((entry) => entry.event) });

/** Send everything that is due, one request after the other. Never rejects. */
export async function flush() {
  if (isSending) return;
  isSending = true;
  clearTimeout(timer);
  while (now() >= notBefore) {
    const mine = entries().filter((entry) => entry.isMine);
    batch = fitting(mine[0] ? mine : entries().filter((entry) => entry.until < now()));
    if (!batch[0]) break;
    batch.forEach((entry) => claim(entry.event));
    if (!mine[0]) {
      // What another tab claims at the same moment shows here a little later; only one of the two still owns it then.
      await new Promise((settled) => setTimeout(settled, 200 + Math.random() * 800));
      batch = entries().filter((entry) => entry.isMine && isUnderWay(entry));
      if (!batch[0]) continue;
    }
    const wait = await post(bodyOf(batch)).catch(() => 0); // offline, blocked by an extension, or too slow
    if (wait == null) {
      failures = 0;
      batch.forEach((entry) => remove(entry.event));
    } else {
      const pause = Math.min(Math.max(wait, 2 ** failures++ * (500 + Math.random() * 500)), 300000);
      notBefore = now() + pause;
      batch.forEach((entry) => claim(entry.event, pause + 15000));
    }
    batch = [];
  }
  isSending = false;
  if (entries()[0]) timer = setTimeout(flush, Math.max(notBefore - now(), 999)); // ours later, or another tab's
}

/**
 * @param {string} body
 * @returns {Promise<number | undefined>} how long the collector asks to wait, ms; `undefined` when the matter is settled:
 *   accepted, or refused for good
 */
async function post(body) {
  const { status, headers } = await fetch(collector, {
    method: 'POST',
    body, // a string goes as text/plain: a simple request, no preflight
    keepalive: body.length < MAX_CHARS + 999,
    signal: AbortSignal.timeout?.(12000),
  });
  if (status !== 429 && status < 500) return undefined;
  return /** @type {any} */ (headers.get('Retry-After')) * 1000 || 0; // a date, which no collector of ours sends, is left to the back-off
}

/**
 * The page goes: a beacon takes what no request has carried yet. Its answer is never known, so leads stay in the queue
 * and go once more from the next page; behind the collector the repetition is dropped by event_id.
 */
function leave() {
  quietly(() => {
    if (now() < notBefore) return;
    const untried = fitting(entries().filter((entry) => entry.isMine && !isUnderWay(entry)));
    if (!untried[0] || !navigator.sendBeacon(collector, bodyOf(untried))) return;
    for (const { event } of untried) if (!isLead(event)) remove(event);
  });
}
