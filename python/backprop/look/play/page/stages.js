// The walk: one stage for each equation, forward and then backward. A stage has the note's words, the
// arrays that take part as [name, layer], its equation, and the arithmetic of any entry of its result.
"use strict";

function buildStages(sizes, names) {
  const layers = range(sizes.length - 1).map((n) => n + 1);
  return [
    ...layers.flatMap((k) => forwardStages(k, sizes, names)),
    lossStage(sizes, names),
    gradYHatStage(names),
    ...layers.reverse().flatMap((k) => backwardStages(k, sizes, names)),
    stepStage(sizes),
  ];
}

// An entry of an array by its place: at("W", 2)(i, j).
const at = (name, k) => (i, j) => ({ name, k, i, j });

// What is spelled out of an entry: pieces of text and entries. `used` has the entries alone.
function spelled(...pieces) {
  return { pieces, used: pieces.filter((piece) => typeof piece !== "string") };
}

// A sum of products, of which the first are shown; `used` has the entries of all.
function spelledSum(terms, last = [], shown = 6) {
  const pieces = [];
  for (const term of terms.slice(0, shown)) {
    if (pieces.length) pieces.push(" + ");
    term.forEach((factor, n) => pieces.push(...(n ? [" · ", factor] : [factor])));
  }
  if (terms.length > shown) pieces.push(` + … (${terms.length - shown} more)`);
  for (const entry of last) pieces.push(" + ", entry);
  return { pieces, used: [...terms.flat(), ...last] };
}

const SPACE = `<mspace width="1.5em"></mspace>`;
const summed = (index, above) => {
  const first = row(mi(index), mo("="), mn(1));
  return `<munderover>${mo("∑")}${first}${mi(above)}</munderover>`;
};
const bracketed = (...parts) => row(mo("("), ...parts, mo(")"));
