/** Small records kept twice, as a cookie shared by the site's subdomains and in localStorage, each repairing the other. */
import { quietly } from './text.js';

const MAX_AGE_SECONDS = 34_128_000; // 395 days: browsers cut at 400
const MAX_COOKIE_BYTES = 3_800; // browsers refuse 4096 with name and attributes

/** @type {Map<string, string>} what this page knows, also when the browser keeps nothing */
const memory = new Map();
/** @type {string | undefined} */
let domain;

/** @param {string} name */
export function readCookie(name) {
  for (const pair of (quietly(() => document.cookie) || '').split('; ')) {
    if (pair.startsWith(name + '=')) return pair.slice(name.length + 1);
  }
  return '';
}

/** @param {string} name @param {string} value @param {number} maxAge @param {string} on */
function writeCookie(name, value, maxAge, on) {
  quietly(() => {
    document.cookie =
      `${name}=${value};path=/;max-age=${maxAge};samesite=lax` +
      (on && `;domain=${on}`) +
      (location.protocol === 'https:' ? ';secure' : '');
  });
}

/**
 * The widest domain the browser lets this page set a cookie on, found by trying, as it knows the public suffixes.
 * Empty where only the host itself works: addresses, single names, blocked cookies.
 */
export function cookieDomain() {
  if (domain === undefined) {
    domain = '';
    const labels = location.hostname.split('.');
    for (let from = labels.length - 2; from >= 0 && !/^[\d.:[\]]+$/.test(location.hostname); from--) {
      const candidate = labels.slice(from).join('.');
      writeCookie('_el0', '1', 9, candidate);
      if (readCookie('_el0')) {
        writeCookie('_el0', '', 0, candidate);
        domain = candidate;
        break;
      }
    }
  }
  return domain;
}

/** @returns {Storage | undefined} `undefined` where the browser blocks it */
export function localStore() {
  return quietly(() => localStorage);
}

/**
 * The record, wherever it survived. The cookie wins: other subdomains write it too.
 * @param {string} name
 */
export function recall(name) {
  const cookie = readCookie(name);
  const copy = quietly(() => localStorage.getItem(name)) || '';
  return cookie || copy || memory.get(name) || '';
}

/**
 * Keep a record in memory, and in the browser when `lasting`.
 * @param {string} name
 * @param {string} value only characters that a cookie may hold
 * @param {boolean} lasting
 */
export function keep(name, value, lasting) {
  memory.set(name, value);
  if (!lasting) return;
  quietly(() => localStorage.setItem(name, value));
  // A record too large for a cookie lives in localStorage alone; an old cookie would hide it.
  if (value.length < MAX_COOKIE_BYTES) writeCookie(name, value, MAX_AGE_SECONDS, cookieDomain());
  else writeCookie(name, '', 0, cookieDomain());
}

/** Take a record out of the browser; this page still knows it. @param {string} name */
export function forget(name) {
  quietly(() => localStorage.removeItem(name));
  writeCookie(name, '', 0, cookieDomain());
}

/** @param {string} text so that a cookie may hold it: no space, quote, comma, semicolon, backslash, nor our `|` `^` */
export const escape = (text) => encodeURI(text).replace(/[;,]/g, (c) => (c === ';' ? '%3B' : '%2C'));

/** @param {string} text */
export const unescape = (text) => quietly(() => decodeURIComponent(text)) || '';
