// The tree of RFC 6962 section 2.1 by its recursive definition (SPEC 5.12), and runs of leaves (SPEC 8.3).
import { join, sha } from './bytes.mjs';

const node = (left, right) => sha(join(Uint8Array.of(1), left, right));

// The largest power of two below the count.
const split = (count) => 2 ** (Math.ceil(Math.log2(count)) - 1);

export function rootOf(ids) {
  if (ids.length === 0) return sha(new Uint8Array(0));
  if (ids.length === 1) return sha(join(Uint8Array.of(0), ids[0]));
  const half = split(ids.length);
  return node(rootOf(ids.slice(0, half)), rootOf(ids.slice(half)));
}

// The audit path of the subtree of `size` leaves from `first` on, from the leaves up.
export function pathOf(ids, first, size) {
  if (first === 0 && size === ids.length) return [];
  const half = split(ids.length);
  if (first < half) return [...pathOf(ids.slice(0, half), first, size), rootOf(ids.slice(half))];
  return [...pathOf(ids.slice(half), first - half, size), rootOf(ids.slice(0, half))];
}

// The root that a run leads to in a tree of `count` leaves, or null where no subtree or path has this shape.
export function rootFromRun(ids, first, count, path) {
  if (first === 0 && ids.length === count) return path.length === 0 ? rootOf(ids) : null;
  if (first + ids.length > count || count < 2 || path.length === 0) return null;
  const half = split(count);
  const sibling = path.at(-1);
  const rest = path.slice(0, -1);
  if (first + ids.length <= half) {
    const left = rootFromRun(ids, first, half, rest);
    return left && node(left, sibling);
  }
  if (first < half) return null;
  const right = rootFromRun(ids, first - half, count - half, rest);
  return right && node(sibling, right);
}
