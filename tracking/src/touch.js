/** Arrivals: the address, ad cookies and referrer with which the visitor came; the first, the last, the last non-direct. */
import { asAllowed, isClickId, readCampaign } from './campaign.js';
import { allowsAnalytics } from './consent.js';
import { quietly } from './quietly.js';
import { isOwnHost } from './sites.js';
import { readCookie, readRecord, saveRecord } from './storage.js';
import { timestamp, truncate } from './text.js';

const RECORD = '_elt';
const AD_COOKIES = ['_fbc', '_fbp', '_ga', 'hubspotutk', 'rdtrk'];

/**
 * @typedef {object} TouchPoint
 * @property {string} at RFC 3339
 * @property {string} landing_url
 * @property {string} referrer empty for an own host, a way station, and none
 * @property {Record<string, string>} params
 * @property {Record<string, string>} cookies
 */

/**
 * `first`, `last`, `last_non_direct`, whole: what consent forbids is left out where they are stored or sent.
 * @type {Record<string, any>}
 */
let touch = {};
/** Whether the last arrival opened this session. */
let isOfSession = false;

/** Whether a page only sends visitors back, from paying or from signing in, as the warehouse says. @param {string} address */
const isWayStation = (address) =>
  quietly(() => {
    const { hostname } = new URL(address);
    return EXCLUDED_REFERRERS.split(' ').some((host) => `.${hostname}`.endsWith(`.${host}`));
  });

/**
 * Note how the visitor came to this page. Called before anything on the page can change the address.
 *
 * A visitor from an own host has not arrived, whatever utm_* the link has. A new click id is the exception: it comes from an
 * ad, and a page without the script passed it on. Within a session a referrer alone is no arrival: visitors come back from
 * banks and mailboxes, and no list has all of these.
 * @param {boolean} isSessionOver
 * @returns {boolean} whether a new campaign or click id came, which opens a new session
 */
export function noteArrival(isSessionOver) {
  touch = readRecord(RECORD);
  const { last } = touch;
  for (const name in touch) touch[name] ||= last; // 0 is stored for one that is the last again
  const params = readCampaign();
  const campaign = asAllowed(params);
  const isFromInside = quietly(() => isOwnHost(new URL(document.referrer).hostname));
  const isReturn = (FEATURE_SITES && isWayStation(document.referrer)) || isFromInside;
  const isCampaign = Object.keys(campaign).some(
    (name) => campaign[name] !== last?.params?.[name] && (!isFromInside || isClickId(name)),
  );
  const referrer = isReturn ? '' : document.referrer;
  const isArrival = !last || isCampaign || (isSessionOver && !isReturn);
  if (isArrival) {
    touch.last = {
      at: timestamp(),
      landing_url: truncate(location.href, 4096),
      referrer: truncate(referrer),
      params,
      // As Meta's own script builds it, which may be blocked; where it runs, its cookie replaces this one.
      cookies: FEATURE_AD_COOKIES && params.fbclid ? { _fbc: `fb.1.${Date.now()}.${params.fbclid}` } : {},
    };
    touch.first ||= touch.last;
    if (referrer || Object.keys(params).length) touch.last_non_direct = touch.last;
  }
  if (FEATURE_AD_COOKIES) isOfSession = isArrival || !isSessionOver;
  saveTouch();
  return isCampaign;
}

/** Forget every arrival but this one. */
export function restartTouch() {
  saveRecord(RECORD, {}, false);
  noteArrival(true);
}

/** The arrivals with the ad cookies of now, as ad scripts may set theirs long after this script has run. */
export function currentTouch() {
  if (FEATURE_AD_COOKIES && isOfSession) readAdCookies();
  return touch;
}

function readAdCookies() {
  for (const name of AD_COOKIES) {
    const value = truncate(readCookie(name));
    if (value) touch.last.cookies[name] = value;
  }
}

/** Store the arrivals, as far as the visitor allows it. */
export function saveTouch() {
  const { last, ...others } = currentTouch();
  for (const name in others) if (others[name] === last) others[name] = 0;
  saveRecord(RECORD, asAllowed({ last, ...others }), allowsAnalytics());
}
