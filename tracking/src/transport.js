/** Sends the queue: at once, again after a failure that may pass, and whatever is left when the page goes. */
import { collector } from './config.js';
import { listen, quietly } from './quietly.js';
import { entries, remove, save } from './queue.js';
import { post } from './request.js';
import { timestamp, toJson } from './text.js';

/** @typedef {import('./queue.js').Event} Event */

const MAX_EVENTS = 10;
const BUSY_MS = 15000; // longer than a request may take
const TAKEOVER_SPREAD_MS = 9000; // not all pages take over the events of a closed one at the same moment
const NEXT_LOOK_MS = 500;

let failures = 0;
let pausedUntil = 0;
let isSending = false;
/** @type {ReturnType<typeof setTimeout>} */
let timer;
/** @type {Promise<unknown> | undefined} */
let held;

/** Send nothing until a promise resolves, unless the page goes. @param {Promise<unknown>} promise which never rejects */
export function holdUntil(promise) {
  held = promise;
}

/** Not all tabs at the same moment. @param {number} ms */
function flushLater(ms) {
  timer = setTimeout(flush, ms + Math.random() * 999);
}

export function startTransport() {
  // The page may go: a second request takes what waits for the first. Phones may fire the second event alone.
  listen(['pagehide', 'visibilitychange'], () => {
    isSending = false;
    flush(true);
  });
  listen(['online'], () => {
    pausedUntil = 0;
    flushLater(0);
  });
  flushLater(NEXT_LOOK_MS); // what earlier pages left behind
}

/**
 * Send everything that is due, one request after the other. Never rejects.
 *
 * An event stays in the queue until its request is answered. The answer to a request that the page did not survive is never
 * known: the next page sends the event again, and the warehouse drops the repetition by event_id.
 * @param {boolean} [isLeaving] the page goes, and its `await` may never return
 */
export async function flush(isLeaving) {
  if (isSending) return;
  isSending = true;
  clearTimeout(timer);
  if (FEATURE_COLLECTOR_ID && !isLeaving) await held;
  while (pausedUntil <= Date.now()) {
    const events = dueEvents();
    if (!events.length) break;
    await sendBatch(events, isLeaving);
  }
  isSending = false;
  if (entries().length) flushLater(NEXT_LOOK_MS);
}

/** The oldest events that no page is busy with. */
const dueEvents = () =>
  entries()
    .filter(([busyUntil]) => busyUntil < Date.now() - Math.random() * TAKEOVER_SPREAD_MS)
    .slice(0, MAX_EVENTS)
    .map(([, event]) => event);

/** @param {Event[]} events @param {boolean} [isLeaving] */
async function sendBatch(events, isLeaving) {
  const busyUntil = Date.now() + BUSY_MS;
  for (const event of events) save(event, busyUntil);
  const batch = { sent_at: timestamp(), events };
  /** @type {any} */
  let retryAfterSeconds;
  try {
    const { status, headers } = await post('', batch);
    if (status < 500 && status !== 429) {
      failures = 0;
      return events.forEach(remove); // accepted, or refused for good
    }
    retryAfterSeconds = headers.get('Retry-After');
  } catch {
    // Offline, blocked by an extension, or too slow; or a page without a `fetch` that works.
    if (FEATURE_BEACON && isLeaving) quietly(() => navigator.sendBeacon(collector, toJson(batch)));
  }
  pause(retryAfterSeconds, busyUntil);
}

/**
 * Wait as long as the collector asks, else up to 1, 2, 4 … 256 s and from the start again.
 * @param {any} retryAfterSeconds a text with a number above 0, or the collector does not say
 * @param {number} busyUntil of the events that failed
 */
function pause(retryAfterSeconds, busyUntil) {
  const seconds = retryAfterSeconds > 0 ? retryAfterSeconds : 2 ** (failures++ % 9) * Math.random();
  pausedUntil = Date.now() + 1000 * seconds;
  // The events are free only then: a request also fails when its page goes, and may have arrived all the same.
  setTimeout(() => {
    for (const [until, event] of entries()) if (until === busyUntil) save(event);
  }, 1000 * seconds);
}
