/** UUIDs of version 7 (RFC 9562), which sort by time. `crypto.randomUUID` makes others, and only in a secure context. */

/** 48 bits of time in ms, then random bits. `Math.random` is enough: the ids are no secrets. */
export function uuidV7() {
  const time = '0' + Date.now().toString(16); // 12 digits, until the year 2527
  return time.replace(/.{8}/, '$&-') + '-7xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => ((Math.random() * 16) | 0).toString(16));
}
