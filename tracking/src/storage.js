/** Small records kept twice, in a cookie that the site's subdomains share and in localStorage; each repairs the other. */
import { quietly } from './quietly.js';
import { toJson } from './text.js';

const COOKIE_SECONDS = 395 * 24 * 3600; // browsers cut at 400 days
const MAX_COOKIE_CHARACTERS = 3800; // browsers refuse 4096 bytes, name and attributes included
const TRIAL = '_el0';

/** @type {Record<string, string>} what this page knows, also where the browser keeps nothing */
const memory = {};
/** @type {Record<string, string>} what the browser keeps; writing throws when it is full */
export const local = quietly(() => localStorage) || memory;

/** @type {string | undefined} */
let domain;

/** @param {string} name */
export function readCookie(name) {
  const cookies = quietly(() => `; ${document.cookie}`) || '';
  return cookies.split(`; ${name}=`)[1]?.split(';')[0] || '';
}

/** @param {string} name @param {string} value @param {number} maxAgeSeconds 0 removes it @param {string} onDomain */
function writeCookie(name, value, maxAgeSeconds, onDomain) {
  quietly(() => {
    document.cookie = `${name}=${value};path=/;max-age=${maxAgeSeconds};samesite=lax;domain=${onDomain}${isSecureContext ? ';secure' : ''}`;
  });
}

/** Whether the browser lets this page set a cookie on a domain. @param {string} candidate */
function isAccepted(candidate) {
  writeCookie(TRIAL, '1', 9, candidate);
  if (!readCookie(TRIAL)) return false; // and none is to be removed: Firefox would warn the page's owner once more
  writeCookie(TRIAL, '', 0, candidate);
  return true;
}

/**
 * The widest domain on which this page may set a cookie; empty where cookies are blocked. It is found by trying, as
 * only the browser knows the public suffixes. It takes an IP address as a domain, which then means this host alone.
 */
const cookieDomain = () =>
  (domain ??=
    location.hostname
      .split('.')
      .map((_, i, labels) => labels.slice(-1 - i).join('.'))
      .find(isAccepted) || '');

/** Whether pages of a host read the cookies of this one. @param {string} hostname */
export const sharesCookies = (hostname) => `.${hostname}`.endsWith(`.${cookieDomain() || location.hostname}`);

/**
 * Keep a record in memory, and in the browser when `isLasting`; otherwise remove it from the browser.
 * @param {string} name
 * @param {unknown} value
 * @param {boolean} isLasting
 */
export function saveRecord(name, value, isLasting) {
  const text = encodeURIComponent(toJson(value));
  quietly(() => (isLasting ? (local[name] = text) : delete local[name]));
  memory[name] = text; // after the line above: where storage is blocked both are one object
  // A record too large for a cookie is in localStorage alone; its old cookie is removed, as it would be read first.
  const isCookie = isLasting && text.length < MAX_COOKIE_CHARACTERS;
  writeCookie(name, text, isCookie ? COOKIE_SECONDS : 0, cookieDomain());
}

/**
 * A record, from the cookie first, as other subdomains write it too. Empty when there is none that can be read.
 * @param {string} name
 * @returns {any}
 */
export const readRecord = (name) =>
  quietly(() => JSON.parse(decodeURIComponent(readCookie(name) || local[name] || memory[name]))) || {};
