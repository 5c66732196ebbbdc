// The frame in which a maker's codec runs: `run` returns JSON, {"data": ..} | {"errors": ..} |
// {"threw": ..} | {"fault": ".."}. It keeps its own references, so that a codec that redefines JSON
// or Math only misleads itself.
(function () {
  "use strict";
  const stringify = JSON.stringify, parse = JSON.parse, evaluate = eval, Text = String;
  const construct = Reflect.construct, isArray = Array.isArray;
  const RealDate = Date, utc = Date.UTC;
  const longest = __LONGEST__;

  for (const name of ["Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry",
                      "performance", "queueMicrotask"]) delete globalThis[name];
  Math.random = function () { throw new Error("a codec must not use chance"); };
  const quiet = function () {};
  globalThis.console = { log: quiet, info: quiet, warn: quiet, error: quiet, debug: quiet,
                         trace: quiet };

  let now = NaN;
  const P = RealDate.prototype;
  function FixedDate(...given) {
    const parts = given.length === 0 ? [now] : given.length === 1 ? given : [utc(...given)];
    return new.target ? construct(RealDate, parts, new.target) : new RealDate(now).toUTCString();
  }
  FixedDate.prototype = P;
  FixedDate.now = () => now;
  FixedDate.UTC = utc;
  FixedDate.parse = RealDate.parse;
  P.constructor = FixedDate;
  for (const part of ["FullYear", "Month", "Date", "Day", "Hours", "Minutes", "Seconds",
                      "Milliseconds"]) {
    P["get" + part] = P["getUTC" + part];
    if (part !== "Day") P["set" + part] = P["setUTC" + part];
  }
  P.getTimezoneOffset = () => 0;
  P.toString = P.toLocaleString = P.toUTCString;
  P.toDateString = P.toLocaleDateString = function () { return this.toISOString().slice(0, 10); };
  P.toTimeString = P.toLocaleTimeString = function () { return this.toISOString().slice(11); };
  globalThis.Date = FixedDate;

  // The text of an interruption is made outside of this: the reason must not be the codec's word.
  for (const kind of [Error, InternalError, RangeError]) {
    Object.freeze(kind);
    Object.freeze(kind.prototype);
  }

  const tail = "\n;({ uplink: typeof decodeUplink === 'function' && decodeUplink,"
    + " v3: typeof Decode === 'function' && Decode,"
    + " v2: typeof Decoder === 'function' && Decoder })";
  const cut = (text) => text.slice(0, 200);
  const words = (thrown) => thrown instanceof Error ? thrown.name + ": " + thrown.message
    : thrown === null ? "" : Text(thrown);

  function called(codec, bytes, port) {
    if (codec.uplink) return codec.uplink({ bytes: bytes, fPort: port, variables: {},
                                            recvTime: new FixedDate(now) });
    const data = codec.v3 ? codec.v3(port, bytes, {}) : codec.v2(bytes, port, { fport: port });
    return { data: data };
  }

  function made(answer) {
    if (answer === null || typeof answer !== "object") return { fault: "no object" };
    const errors = isArray(answer.errors) ? answer.errors : answer.errors ? [answer.errors] : [];
    if (errors.length) return { errors: cut(errors.slice(0, 5).map(Text).join("; ")) };
    const data = answer.data;
    if (data !== null && typeof data === "object" && typeof data.then === "function")
      return { fault: "a promise" };
    return { data: answer.data };
  }

  return function run(source, bytes, port, at) {
    now = at;
    try {
      const codec = evaluate(source + tail);
      if (!codec.uplink && !codec.v3 && !codec.v2) return '{"fault":"no function"}';
      if (port < 0) return '{"data":{}}';
      const text = stringify(made(called(codec, parse(bytes), port)));
      return text.length > longest ? '{"fault":"too long"}' : text;
    } catch (thrown) {
      try {
        return stringify({ threw: cut(words(thrown)), syntax: thrown instanceof SyntaxError });
      } catch (again) {
        return '{"threw":"something that has no text"}';
      }
    }
  };
})()
