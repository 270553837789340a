// XSalsa20 and Poly1305 together, as crypto_secretbox of libsodium has them. src  Bernstein, Extending the Salsa20
// nonce; RFC 8439 for Poly1305
import {join} from './bytes.js';

const SIGMA = new Uint32Array(new TextEncoder().encode('expand 32-byte k').buffer);
const QUARTERS = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11],
  [0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];

const words = bytes => new Uint32Array(bytes.slice().buffer);
const bytesOf = array => new Uint8Array(array.buffer);

function turned(x, by) {
  return x << by | x >>> 32 - by;
}

// Twenty rounds over a key of 32 bytes and 16 more; the input is not added yet.
function rounds(key, nonce) {
  const k = words(key), n = words(nonce), x = new Uint32Array(16);
  x.set([SIGMA[0], ...k.subarray(0, 4), SIGMA[1], ...n, SIGMA[2], ...k.subarray(4), SIGMA[3]]);
  const before = x.slice();
  for (let round = 0; round < 10; round++)
    for (const [a, b, c, d] of QUARTERS) {
      x[b] ^= turned(x[a] + x[d], 7);
      x[c] ^= turned(x[b] + x[a], 9);
      x[d] ^= turned(x[c] + x[b], 13);
      x[a] ^= turned(x[d] + x[c], 18);
    }
  return {x, before};
}

export function hsalsa20(key, nonce) {
  const {x} = rounds(key, nonce);
  return bytesOf(Uint32Array.of(x[0], x[5], x[10], x[15], x[6], x[7], x[8], x[9]));
}

function salsa20Block(key, nonce, count) {
  const {x, before} = rounds(key, join(nonce, bytesOf(Uint32Array.of(count, 0))));
  return bytesOf(x.map((word, i) => word + before[i]));
}

// Under a key that is used once: how long it takes may depend on the numbers.
export function poly1305(key, data) {
  const number = bytes => bytes.reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const p = (1n << 130n) - 5n;
  let sum = 0n;
  for (let at = 0; at < data.length; at += 16)
    sum = (sum + number(join(data.subarray(at, at + 16), [1]))) * r % p;
  let tag = sum + number(key.subarray(16));
  return Uint8Array.from({length: 16}, () => {
    const byte = Number(tag & 0xffn);
    tag >>= 8n;
    return byte;
  });
}

// Tag and cipher text. The key of the tag is the stream's first 32 bytes; the message begins behind them.
export function secretbox(key, nonce, plain) {
  const inner = hsalsa20(key, nonce.subarray(0, 16)), tail = nonce.subarray(16);
  const stream = new Uint8Array(32 + plain.length);
  for (let at = 0; at < stream.length; at += 64)
    stream.set(salsa20Block(inner, tail, at / 64).subarray(0, stream.length - at), at);
  const cipher = plain.map((byte, i) => byte ^ stream[32 + i]);
  const tag = poly1305(stream.subarray(0, 32), cipher);
  stream.fill(0);
  inner.fill(0);
  return join(tag, cipher);
}
