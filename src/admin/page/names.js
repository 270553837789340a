// Host names and addresses, by the rules of src/net/tls_certificate.c and of the vault.

const LABEL = /^[A-Za-z0-9_-]{1,63}$/;
export const NAMES = 16;

function ipv4(text) {
  const parts = text.split('.');
  const good = parts.length === 4 && parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return good ? parts.map(Number) : null;
}

// "::" stands for zeros, once; the last four bytes may be written as IPv4 writes them.
function ipv6(text) {
  const dot = text.lastIndexOf(':') + 1, tail = text.includes('.') ? ipv4(text.slice(dot)) : null;
  if (text.includes('.')) {
    if (!tail)
      return null;
    text = text.slice(0, dot) + [0, 2].map(i => (tail[i] * 256 + tail[i + 1]).toString(16)).join(':');
  }
  const halves = text.split('::');
  const groups = halves.map(half => half === '' ? [] : half.split(':'));
  const count = groups.flat().length;
  if (halves.length > 2 || groups.flat().some(group => !/^[0-9A-Fa-f]{1,4}$/.test(group)))
    return null;
  if (halves.length === 1 ? count !== 8 : count > 7)
    return null;
  if (halves.length === 2)
    groups.splice(1, 0, Array(8 - count).fill('0'));
  return groups.flat().flatMap(group => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
}

// The bytes of an address, or null.
export const addressBytes = text => ipv4(text) || (text.includes(':') ? ipv6(text) : null);

function isHost(text) {
  const labels = (text.startsWith('*.') ? text.slice(2) : text).split('.');
  if (labels.length > 1 && labels.at(-1) === '')
    return false;
  return labels.every(label => LABEL.test(label));
}

export const isName = text => text.length > 0 && text.length < 254 && (addressBytes(text) !== null || isHost(text));

// "a, b" as a list; null when one is no name, or they are too many.
export function namesOf(text) {
  const names = text.split(',').map(name => name.trim());
  return names.length <= NAMES && names.every(isName) ? names : null;
}

export function covers(names, host) {
  host = host.toLowerCase();
  return names.some(name => {
    name = name.toLowerCase();
    return name === host || (name.startsWith('*.') && host.indexOf('.') > 0
      && name.slice(1) === host.slice(host.indexOf('.')));
  });
}

// The host of a base URL, for which the vendor key is kept; null when it is none.
export function vendorHost(url) {
  const found = /^https?:\/\/(?:\[([^\]]+)\]|([^:/[][^:/]*))/.exec(url);
  const host = found ? (found[1] || found[2]).toLowerCase() : '';
  return /^[a-z0-9.:-]{1,255}$/.test(host) ? host : null;
}

// What names a vendor, a project, a model.
export const isPlainName = text => /^[A-Za-z0-9._:/-]{1,31}$/.test(text);

// A vendor key: visible ASCII.
export const isSecret = text => /^[!-~]{1,512}$/.test(text);
