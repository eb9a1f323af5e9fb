/** Sends what the queue holds: at once, again after a failure worth it, and the rest when the page goes. */
import { introduced } from './introduction.js';
import { post } from './post.js';
import { entries, remove, save } from './queue.js';
import { clock, json, now, on, random } from './text.js';

const MAX_EVENTS = 10;

let failures = 0;
let notBefore = 0;
let isSending = false;
/** @type {ReturnType<typeof setTimeout>} */
let timer;

/** Try again some time after so many ms: not all tabs at the same moment. @param {number} ms */
function later(ms) {
  timer = setTimeout(flush, ms + random() * 999);
}

export function startTransport() {
  // The page may go: a second request takes what waits for the first. Phones may fire the second alone.
  on('pagehide visibilitychange', () => {
    isSending = false;
    flush(true);
  });
  on('online', () => later((notBefore = 0)));
  later(500); // what earlier pages left behind
}

/** Let anybody have what is still taken until then. @param {number} until */
function release(until) {
  for (const [busyUntil, event] of entries()) if (busyUntil === until) save(event);
}

/**
 * Send everything that is due, one request after the other. Never rejects.
 *
 * An event stays in the queue until it is answered. The answer to a request that the page did not survive is never known:
 * the next page sends again, and behind the collector the repetition is dropped by event_id.
 * @param {boolean} [isLeaving]
 */
export async function flush(isLeaving) {
  if (isSending) return;
  isSending = true;
  clearTimeout(timer);
  if (!isLeaving) await introduced; // a page that goes has no more turns to wait for
  while (now() >= notBefore) {
    const events = entries()
      .filter(([busyUntil]) => busyUntil < now() - random() * 9000) // not all pages take over what one left at the same moment
      .slice(0, MAX_EVENTS)
      .map(([, event]) => event);
    if (!events[0]) break;
    const busyUntil = now() + 15000; // longer than a request may take
    events.forEach((event) => save(event, busyUntil));
    let retryAfter = 0;
    try {
      const { status, headers } = await post('', json({ sent_at: clock(), events }));
      retryAfter = status === 429 || status > 499 ? +/** @type {any} */ (headers.get('Retry-After')) : -1; // -1: accepted, or refused for good
    } catch {} // offline, blocked by an extension, or too slow
    if (retryAfter < 0) {
      failures = 0;
      events.forEach(remove);
    } else {
      // Up to 1, 2, 4 … 256 s, and from the start again.
      const pause = 1000 * (retryAfter || 2 ** (failures++ % 9) * random());
      notBefore = now() + pause;
      // Not yet: a request fails when its page goes, too, and may have arrived. Then the next page has 15 s to wait.
      setTimeout(release, pause, busyUntil);
    }
  }
  isSending = false;
  if (entries()[0]) later(500); // to look whether it is time: for ours, or for what another page left
}
