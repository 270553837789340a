// As much of DER (X.690) as a certificate takes.
import {base64, join} from './bytes.js';

function value(tag, ...parts) {
  const body = join(...parts);
  const digits = [];
  for (let n = body.length; n > 0; n = Math.floor(n / 256))
    digits.unshift(n % 256);
  const length = body.length < 128 ? [body.length] : [0x80 | digits.length, ...digits];
  return join([tag], length, body);
}

export const sequence = (...parts) => value(0x30, ...parts);
export const set = (...parts) => value(0x31, ...parts);
export const octets = (...parts) => value(0x04, ...parts);
export const bits = (bytes, unused = 0) => value(0x03, [unused], bytes);
export const truth = () => value(0x01, [0xff]);
export const text = string => value(0x0c, new TextEncoder().encode(string));
export const inside = (number, ...parts) => value(0xa0 | number, ...parts);
export const tagged = (number, bytes) => value(0x80 | number, bytes);

// A number that is not negative, from its bytes: none of zeros before it, and one where it would look negative.
export function integer(bytes) {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0)
    from++;
  return value(0x02, bytes[from] & 0x80 ? [0] : [], bytes.slice(from));
}

export function oid(dotted) {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let n = part >>> 7; n > 0; n >>>= 7)
      digits.unshift(0x80 | n & 0x7f);
    bytes.push(...digits);
  }
  return value(0x06, bytes);
}

// Two digits of the year serve until 2050 (RFC 5280, 4.1.2.5).
export function time(date) {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050 ? value(0x17, new TextEncoder().encode(digits.slice(2)))
    : value(0x18, new TextEncoder().encode(digits));
}

export function pem(label, bytes) {
  const lines = base64(bytes).match(/.{1,64}/g).join('\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
