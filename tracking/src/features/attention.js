/** A ping for every 15 s in which the visitor looks at the page and uses it. */
import { onEvent, record } from '../events.js';
import { everySecond, listen } from '../quietly.js';

const PING_SECONDS = 15;
const MAX_SECONDS = 600; // of one page view
const ACTIVE_MS = 30000; // after the last sign of use

let engagedSeconds = 0;
let activeAt = 0;

function startView() {
  engagedSeconds = 0;
  activeAt = Date.now();
}

function countSecond() {
  const isActive = !document.hidden && Date.now() - activeAt < ACTIVE_MS;
  if (!isActive || engagedSeconds >= MAX_SECONDS) return;
  engagedSeconds += 1;
  if (engagedSeconds % PING_SECONDS === 0) record('page_ping', { engaged_seconds: engagedSeconds });
}

export function watchAttention() {
  onEvent((name) => {
    if (name === 'page_view') startView();
  });
  listen(['pointermove', 'keydown', 'scroll'], () => (activeAt = Date.now()));
  everySecond(countSecond);
}
