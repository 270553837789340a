// Argon2id, version 0x13, one lane (RFC 9106): what crypto_pwhash of libsodium does. A passphrase is stretched here and
// not on the box, whose admin role must not see it.
import {blake2b} from './blake2b.js';
import {join} from './bytes.js';

const WORDS = 256; // halves of 64 bits in a block of 1 KiB
const SLICES = 4;
const VERSION = 0x13, TYPE = 2;

const number = value => new Uint8Array(new Uint32Array([value]).buffer);

// H' of the RFC: a hash of any length.
function longHash(length, data) {
  const head = join(number(length), data);
  if (length <= 64)
    return blake2b(head, length);
  const out = new Uint8Array(length);
  let part = blake2b(head, 64), at = 0;
  for (; length - at > 64; at += 32) {
    out.set(part.subarray(0, 32), at);
    part = blake2b(part, length - at - 32 > 64 ? 64 : length - at - 32);
  }
  out.set(part, at);
  return out;
}

// a = a + b + 2 * low(a) * low(b), then d = (d ^ a) rotated right by 32, 24, 16 or 63: one quarter of the RFC's GB. The
// product of two halves is put together from four of 16 bits, which is all that fits a number without losing digits.
function step(v, a, b, d, by) {
  const x = v[a], y = v[b];
  const xl = x & 0xffff, xh = x >>> 16, yl = y & 0xffff, yh = y >>> 16;
  const ll = Math.imul(xl, yl), hl = Math.imul(xh, yl), lh = Math.imul(xl, yh);
  const middle = (ll >>> 16) + (hl & 0xffff) + (lh >>> 0);
  const low = middle << 16 | ll & 0xffff;
  const high = Math.imul(xh, yh) + (hl >>> 16) + (middle >>> 16) | 0;
  const sum = x + y + (low << 1 >>> 0);
  const al = sum | 0;
  const ah = v[a + 1] + v[b + 1] + (high << 1 | low >>> 31) + (sum >= 8589934592 ? 2 : sum >= 4294967296 ? 1 : 0) | 0;
  v[a] = al;
  v[a + 1] = ah;
  const dl = v[d] ^ al, dh = v[d + 1] ^ ah;
  if (by === 32) {
    v[d] = dh;
    v[d + 1] = dl;
  } else if (by === 63) {
    v[d] = dl << 1 | dh >>> 31;
    v[d + 1] = dh << 1 | dl >>> 31;
  } else {
    v[d] = dl >>> by | dh << 32 - by;
    v[d + 1] = dh >>> by | dl << 32 - by;
  }
}

function mix(v, a, b, c, d) {
  step(v, a, b, d, 32);
  step(v, c, d, b, 24);
  step(v, a, b, d, 16);
  step(v, c, d, b, 63);
}

// The permutation P over sixteen words, which stand in eight pairs from `at`, `apart` halves from pair to pair.
function permute(v, at, apart) {
  const p = i => at + (i >>> 1) * apart + (i & 1) * 2;
  for (let i = 0; i < 4; i++)
    mix(v, p(i), p(4 + i), p(8 + i), p(12 + i));
  for (let i = 0; i < 4; i++)
    mix(v, p(i), p(4 + (i + 1) % 4), p(8 + (i + 2) % 4), p(12 + (i + 3) % 4));
}

// memory[to] = G(memory[one], memory[two]), over what stands there when it is not the first pass. All count halves.
function fill(memory, to, one, two, over, work) {
  const {v, kept} = work;
  for (let i = 0; i < WORDS; i++)
    v[i] = kept[i] = memory[one + i] ^ memory[two + i];
  if (over)
    for (let i = 0; i < WORDS; i++)
      kept[i] ^= memory[to + i];
  for (let row = 0; row < 8; row++)
    permute(v, row * 32, 4);
  for (let column = 0; column < 8; column++)
    permute(v, column * 4, 32);
  for (let i = 0; i < WORDS; i++)
    memory[to + i] = v[i] ^ kept[i];
}

// The addresses of the first half of the first pass: from a counter, so that they tell nothing of the passphrase.
class Counter {
  constructor(pass, slice, blocks, passes) {
    this.memory = new Uint32Array(4 * WORDS); // zeros, input, between, addresses
    this.memory.set([pass, 0, 0, 0, slice, 0, blocks, 0, passes, 0, TYPE, 0], WORDS);
  }

  at(index, work) {
    if (index % 128 === 0 || !this.begun) {
      this.begun = true;
      this.memory[WORDS + 12]++;
      fill(this.memory, 2 * WORDS, 0, WORDS, false, work);
      fill(this.memory, 3 * WORDS, 0, 2 * WORDS, false, work);
    }
    return this.memory[3 * WORDS + index % 128 * 2];
  }
}

// Which block is mixed in: RFC 9106, 3.4.2. The farther back, the less often.
function reference(pass, slice, index, quarter, chosen) {
  const area = pass === 0 ? slice * quarter + index - 1 : (SLICES - 1) * quarter + index - 1;
  const from = pass === 0 || slice === SLICES - 1 ? 0 : (slice + 1) * quarter;
  const high = (a, b) => Number(BigInt(a) * BigInt(b) >> 32n);
  return (from + area - 1 - high(area, high(chosen, chosen))) % (SLICES * quarter);
}

function segment(memory, pass, slice, {blocks, passes, work}) {
  const quarter = blocks / SLICES;
  const counter = pass === 0 && slice < SLICES / 2 ? new Counter(pass, slice, blocks, passes) : null;
  for (let index = pass === 0 && slice === 0 ? 2 : 0; index < quarter; index++) {
    const now = slice * quarter + index, before = (now + blocks - 1) % blocks;
    const chosen = counter ? counter.at(index, work) : memory[before * WORDS];
    const two = reference(pass, slice, index, quarter, chosen);
    fill(memory, now * WORDS, before * WORDS, two * WORDS, pass > 0, work);
  }
}

// 32 bytes from a passphrase (UTF-8 bytes) and a salt of 16. `told` hears how much is done, of 1.
export function argon2id(passphrase, salt, passes, memoryBytes, told = () => {}) {
  const LENGTH = 32;
  const kib = Math.floor(memoryBytes / 1024), blocks = SLICES * Math.floor(kib / SLICES);
  const first = join(number(1), number(LENGTH), number(kib), number(passes), number(VERSION), number(TYPE),
    number(passphrase.length), passphrase, number(salt.length), salt, number(0), number(0));
  const seed = blake2b(first, 64);
  const memory = new Uint32Array(blocks * WORDS), bytes = new Uint8Array(memory.buffer);
  for (let i = 0; i < 2; i++)
    bytes.set(longHash(1024, join(seed, number(i), number(0))), i * 1024);
  const work = {v: new Uint32Array(WORDS), kept: new Uint32Array(WORDS)};
  for (let pass = 0; pass < passes; pass++)
    for (let slice = 0; slice < SLICES; slice++) {
      segment(memory, pass, slice, {blocks, passes, work});
      told((pass * SLICES + slice + 1) / (passes * SLICES));
    }
  const out = longHash(LENGTH, bytes.subarray((blocks - 1) * 1024));
  for (const array of [memory, work.v, work.kept, first, seed])
    array.fill(0);
  return out;
}
