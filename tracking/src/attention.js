/** Pings for every 15 s that somebody looked at the page and did something, 10 min of them at most. */
import { record } from './events.js';
import { now, on } from './text.js';

const MAX_SECONDS = 600;

let seconds = MAX_SECONDS;
let activeAt = 0;

/** A page view begins: its seconds are counted from here. */
export function attend() {
  seconds = 0;
  activeAt = now();
}

/** Called once a second. */
export function attendSecond() {
  if (!document.hidden && now() - activeAt < 30000 && seconds < MAX_SECONDS && !(++seconds % 15)) {
    record('page_ping', { engaged_seconds: seconds });
  }
}

export const watchAttention = () => on('pointermove keydown scroll', () => (activeAt = now()));
