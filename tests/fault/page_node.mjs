// The page's own files, called by a test: lines of JSON [file, function, arguments...] in, one line of JSON each out.
// Bytes are "hex:...", both ways; a function of no result gives null.
import {createInterface} from 'node:readline';

const folder = new URL('../../src/admin/page/', import.meta.url);

const read = value => typeof value === 'string' && value.startsWith('hex:')
  ? Uint8Array.from(value.slice(4).match(/../g) || [], pair => parseInt(pair, 16)) : value;
const write = (key, value) => value instanceof Uint8Array ? 'hex:' + Buffer.from(value).toString('hex') : value;

for await (const line of createInterface({input: process.stdin})) {
  const [file, name, ...rest] = JSON.parse(line);
  const module = await import(new URL(file + '.js', folder));
  console.log(JSON.stringify(await module[name](...rest.map(read)) ?? null, write));
}
