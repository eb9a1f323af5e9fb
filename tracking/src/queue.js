/**
 * Events that the collector has not acknowledged, one localStorage entry each, so that tabs never overwrite each other's.
 *
 * An entry names the page that is responsible for it and until when: others take it over only afterwards, and the one
 * that takes over waits a moment to see that it was alone. Without localStorage the events live as long as the page.
 */
import { localStore } from './storage.js';
import { quietly, uuid7 } from './text.js';

const PREFIX = '_elq.';
const MAX_EVENTS = 100;
const MAX_CHARS = 128 * 1024; // 256 KB, as browsers keep two bytes a character
/** How long others leave an event to the page that is sending it; longer than a request may take. */
export const CLAIM_MS = 15_000;

/** @typedef {{event_id: string, name: string} & Record<string, any>} Event */
/** @typedef {{id: string, owner: string, until: number, json: string}} Entry */

const me = uuid7().slice(-12);
/** @type {Map<string, string>} what localStorage would not take */
const memory = new Map();

const LEADS = ['form_submit', 'identify', 'chat_start', 'conversion', 'consent'];
const CHEAP = ['page_ping', 'click', 'form_start'];
/** What an event is worth when room runs out. @param {string} name */
export const worth = (name) => (LEADS.includes(name) ? 2 : CHEAP.includes(name) ? 0 : 1);

/** @param {Entry} entry */
const nameOf = (entry) => (/"name":"(\w*)"/.exec(entry.json) || [])[1];

/** @param {string} id @param {string} text */
function parse(id, text) {
  const [owner, until] = text.split('|', 2);
  return { id, owner, until: +until, json: text.slice(owner.length + until.length + 2) };
}

/** Every event of this site in this browser, oldest first. @returns {Entry[]} */
export function entries() {
  /** @type {Entry[]} */
  const found = [...memory].map(([id, text]) => parse(id, text));
  quietly(() => {
    const store = /** @type {Storage} */ (localStore());
    for (const key of Object.keys(store)) {
      const text = key.startsWith(PREFIX) && store.getItem(key);
      if (text) found.push(parse(key.slice(PREFIX.length), text));
    }
  });
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** @param {string} id @param {string} json @param {number} until */
function put(id, json, until) {
  const text = `${me}|${until}|${json}`;
  const isStored = quietly(() => {
    const store = /** @type {Storage} */ (localStore());
    store.setItem(PREFIX + id, text);
    return true;
  });
  if (isStored) memory.delete(id);
  else memory.set(id, text);
}

/** @param {string} id */
export function remove(id) {
  memory.delete(id);
  quietly(() => localStorage.removeItem(PREFIX + id));
}

/** Keep an event until it is acknowledged; makes room by dropping the oldest of the least worth. @param {Event} event */
export function push(event) {
  put(event.event_id, JSON.stringify(event), Date.now() + CLAIM_MS);
  const kept = entries().sort((a, b) => worth(nameOf(a)) - worth(nameOf(b)) || (a.id < b.id ? -1 : 1));
  let chars = kept.reduce((sum, entry) => sum + entry.json.length, 0);
  for (let count = kept.length; count > MAX_EVENTS || chars > MAX_CHARS; count--) {
    const dropped = /** @type {Entry} */ (kept.shift());
    chars -= dropped.json.length;
    remove(dropped.id);
  }
}

/** @param {Entry} entry */
export const isMine = (entry) => entry.owner === me;

/** Whether this page may send the entry now. @param {Entry} entry */
export const isDue = (entry) => isMine(entry) || entry.until < Date.now();

/** Become responsible for an entry, unless it is gone. @param {Entry} entry @param {number} [forMs] */
export function claim(entry, forMs = CLAIM_MS) {
  const isThere = memory.has(entry.id) || quietly(() => localStorage.getItem(PREFIX + entry.id));
  if (isThere) put(entry.id, entry.json, Date.now() + forMs);
}

/** The entry as it is now, when this page still answers for it. @param {Entry} entry */
export const stillMine = (entry) => entries().some((now) => now.id === entry.id && isMine(now));

/** Change or drop what waits, when the visitor withdraws consent. @param {(event: Event) => Event | undefined} change */
export function rewrite(change) {
  for (const entry of entries()) {
    const event = quietly(() => change(JSON.parse(entry.json)));
    if (event) put(entry.id, JSON.stringify(event), isMine(entry) ? entry.until : Date.now() + CLAIM_MS);
    else remove(entry.id);
  }
}
