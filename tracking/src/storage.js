/** Small records kept twice, as a cookie shared by the site's subdomains and in localStorage, each repairing the other. */
import { json, parse, quietly } from './text.js';

/** @type {Record<string, string>} what this page knows, also when the browser keeps nothing */
export const memory = {};
/** @type {Record<string, string>} what the browser keeps; throws when it is full */
export const local = quietly(() => localStorage) || memory;
/** @type {string | undefined} */
let domain;

/** @param {string} name */
export const readCookie = (name) => quietly(() => ('; ' + document.cookie).split('; ' + name + '=')[1].split(';')[0]) || '';

/** @param {string} name @param {string} value @param {number} maxAge seconds @param {string} on */
const writeCookie = (name, value, maxAge, on) =>
  quietly(() => {
    document.cookie = name + '=' + value + ';path=/;max-age=' + maxAge + ';samesite=lax;domain=' + on + (isSecureContext ? ';secure' : '');
  });

/**
 * The widest domain the browser lets this page set a cookie on, found by trying, as it knows the public suffixes. An
 * address as a domain is accepted, and means the host. Empty where cookies are blocked.
 */
export const cookieDomain = () =>
  (domain ??=
    location.hostname
      .split('.')
      .map((_, i, labels) => labels.slice(~i).join('.'))
      .find((candidate) => {
        writeCookie('_el0', '1', 9, candidate);
        // Not taken, there is none to remove, and Firefox would complain to the page's owner once more.
        return readCookie('_el0') && (writeCookie('_el0', '', 0, candidate), true);
      }) || '');

/**
 * Keep a record in memory, and in the browser when `lasting`; else take it out of the browser.
 * @param {string} name
 * @param {string} value only characters that a cookie may hold
 * @param {boolean} lasting
 */
export function keep(name, value, lasting) {
  quietly(() => (lasting ? (local[name] = value) : delete local[name]));
  memory[name] = value; // after it: they may be one
  // 395 days, as browsers cut at 400. They refuse 4096 bytes with name and attributes: a record too large lives in
  // localStorage alone, and no old cookie may hide it.
  writeCookie(name, value, lasting && value.length < 3800 ? 34128000 : 0, cookieDomain());
}

/** @param {unknown} value as text that a cookie may hold */
export const pack = (value) => encodeURIComponent(json(value));

/**
 * The record, wherever it survived. The cookie wins: other subdomains write it too.
 * @param {string} name @returns {any} empty for what `pack` did not write
 */
export const unpack = (name) => quietly(() => parse(decodeURIComponent(readCookie(name) || local[name] || memory[name]))) || {};
