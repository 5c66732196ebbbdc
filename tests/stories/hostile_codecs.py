"""Codecs that try to run for ever, to fill the memory or to break the engine, made by a grammar.

Each is one hostile act of one kind at one place of a codec of one form; a seed gives the same ones.
"""

from collections.abc import Callable, Iterator
from random import Random

__all__ = ["GOOD", "KINDS", "hostile_codecs"]

_Make = Callable[[Random], str]
GIANT = ("2 ** 53 - 1", "4294967295", "1e9", "2 ** 31", "-1 >>> 0", "1e15")
ON_ARRAYS = (
    *("reverse()", "sort()", "sort((a, b) => b - a)", "fill(1)", "indexOf(5)", "lastIndexOf(5)"),
    *("includes(5)", "join('')", "join('x')", "splice(0, 1)", "splice(5, 0, 1, 2)", "shift()"),
    *("unshift(1)", "copyWithin(1, 0)", "slice(1)", "concat([1])", "map((x) => x)", "pop()"),
    *("filter((x) => true)", "reduce((a, b) => a, 0)", "reduceRight((a, b) => a, 0)"),
    *("forEach(() => 0)", "some((x) => x === 5)", "every((x) => !x)", "find((x) => x === 5)"),
    *("findLast((x) => x === 5)", "findIndex((x) => x === 5)", "toSorted()", "toReversed()"),
    *("toSpliced(1, 1)", "with(3, 4)", "flat(9)", "flatMap((x) => [x])", "toLocaleString()"),
)
TEXTS = ("'a'", "'ab'", "'\\u00e4'", "'\\ud83d\\ude00'", "'0'")
PATTERNS = ("(a+)+$", "(a|aa)+$", "(a|a?)+$", "^(([a-z])+.)+[A-Z]$", "(?:a*)*b", "(.*a){30}$")
PATTERNS += ("(?=(a+)+$)b", "(?<=(a+)+)c", "(a{1,99}){1,99}{1,9}$", "((a*)*)*b", "(?:a|ab|b)*c")


def _giant(rng: Random) -> str:
    n = rng.choice(GIANT)
    return rng.choice(
        (
            f"({{ length: {n} }})",
            f"Object.defineProperty(function () {{}}, 'length', {{ value: {n} }})",
            f"Object.assign([], {{ length: Math.min({n}, 4294967295) }})",
            f"Object.defineProperty({{}}, 'length', {{ get() {{ return {n}; }} }})",
            f"new Proxy([], {{ get: (t, k) => k === 'length' ? {n} : t[k] }})",
        )
    )


def _array_method(rng: Random) -> str:
    name, _, given = rng.choice(ON_ARRAYS).partition("(")
    given = given[:-1]
    return f"[].{name}.call({_giant(rng)}{', ' + given if given else ''});"


def _array_other(rng: Random) -> str:
    giant = _giant(rng)
    return rng.choice(
        (
            f"Array.from({giant});",
            f"Array.from({giant}, (v, i) => i);",
            f"Math.max.apply(null, {giant});",
            f"String.fromCharCode.apply(null, {giant});",
            f"Reflect.apply(Math.min, null, {giant});",
            f"Reflect.construct(Array, {giant});",
            f"new Uint8Array({giant});",
            f"Function.prototype.bind.call({giant}, 1)();",
            f"[].concat(Object.assign({giant}, {{ [Symbol.isConcatSpreadable]: true }}));",
            f"String.raw({{ raw: {giant} }});",
            f"JSON.stringify({{ a: 1 }}, {giant});",
            "const a = Array(4294967295); for (const x of a) {}",
            "const a = Array(4294967295); [...a];",
            "const a = []; a[4294967294] = 1; JSON.stringify(a);",
            "const a = [1]; a.forEach((x) => { a.length = 4294967295; }); a.sort(); a.reverse();",
        )
    )


def _text(rng: Random) -> str:
    text, n = rng.choice(TEXTS), rng.choice(("1e6", "4e6", "1e8", "2 ** 29", "2 ** 30 - 1"))
    m = rng.choice(("2e5", "4e5", "1e6"))
    return rng.choice(
        (
            f"{text}.repeat({n});",
            f"{text}.padStart({n}, {text});",
            f"''.padEnd({n}, {text}).toUpperCase();",
            f"{text}.repeat({m}).indexOf({text}.repeat({m} / 2) + 'b');",
            f"{text}.repeat({m}).lastIndexOf('b' + {text}.repeat({m} / 2));",
            f"{text}.repeat({m}).split({text}).join({text}.repeat(999));",
            f"{text}.repeat({m}).replaceAll({text}, {text}.repeat(1e5));",
            f"{text}.repeat({m}).normalize('NFD').normalize('NFKC');",
            f"{text}.repeat({m}).localeCompare({text}.repeat({m}) + 'b');",
            f"let s = {text}; for (;;) s += s;",
            f"let s = {text}; for (let i = 0; i < 1e9; i++) s = s.concat(s.slice(1), s);",
            f"let s = {text}.repeat({m}); for (;;) s.at(-1), s.isWellFormed(), s.split('');",
            f"encodeURIComponent({text}.repeat({m})); decodeURIComponent('%41'.repeat({m}));",
            f"parseFloat('1'.repeat({m})); Number('0x' + 'f'.repeat({m}));",
        )
    )


def _pattern(rng: Random) -> str:
    pattern, flags = rng.choice(PATTERNS), rng.choice(("", "i", "u", "g", "s", "y"))
    subject = f"'{rng.choice('ab')}'.repeat({rng.choice((30, 3000, 3e5))}) + '!'"
    return rng.choice(
        (
            f"new RegExp({pattern!r}, '{flags}').test({subject});",
            f"({subject}).replace(new RegExp({pattern!r}, '{flags}'), 'x');",
            f"({subject}).match(new RegExp({pattern!r}, 'g'));",
            f"({subject}).split(new RegExp({pattern!r}));",
            "new RegExp('('.repeat(1e5) + ')'.repeat(1e5));",
            "new RegExp('(?:a?){9999}'.repeat(99) + 'b').test('a'.repeat(9999));",
            "new RegExp('[' + 'a-z'.repeat(1e6) + ']', 'iu').test('x');",
        )
    )


def _big_integer(rng: Random) -> str:
    n = rng.choice((20, 1000, 65536, 1048575, 1048577, 2**40))
    return rng.choice(
        (
            f"2n ** {n}n;",
            f"(3n ** {n}n).toString();",
            f"(7n ** {min(n, 300000)}n).toString({rng.randint(2, 36)});",
            f"let b = 3n; for (;;) b = b * b + {n}n;",
            f"BigInt('9'.repeat({min(n, 400000)})).toString();",
            f"BigInt.asUintN({n}, -1n) / 3n;",
            f"1n << {n}n; (1n << 1000000n) % 12345678901234567890123n;",
            f"Number(BigInt('0x' + 'f'.repeat({min(n, 250000)})));",
        )
    )


def _json(rng: Random) -> str:
    n = rng.choice((1000, 100000, 1000000))
    return rng.choice(
        (
            f"let o = {{}}; for (let i = 0; i < {n}; i++) o = {{ o }}; return {{ data: o }};",
            f"let o = []; for (let i = 0; i < {n}; i++) o = [o]; JSON.stringify(o);",
            f"JSON.parse('['.repeat({n}));",
            f"JSON.parse('['.repeat({n}) + ']'.repeat({n}));",
            "const o = {}; o.o = o; return { data: o };",
            "const o = { toJSON() { return { o: this }; } }; return { data: o };",
            "return { data: { toJSON() { for (;;); } } };",
            "return { data: new Proxy({}, { ownKeys() { for (;;); } }) };",
            f"return {{ data: {{ x: 'x'.repeat({n}) }} }};",
            f"return {{ data: {{ x: Array({n}).fill(0) }} }};",
            "JSON.stringify([1], (k, v) => [v, v]);",
            "JSON.parse('[1]', function (k, v) { this.push && this.push(1); return v; });",
            f"JSON.stringify({{}}, null, {n});",
            "return { data: { '\\ud800': 1, x: '\\udfff' } };",
        )
    )


def _sort(rng: Random) -> str:
    n = rng.choice((10, 1000, 100000))
    comparator = rng.choice(
        (
            "() => { for (;;); }",
            "() => { throw 1; }",
            "() => 1",
            "() => ({ valueOf() { for (;;); } })",
            "(a, b) => { list.length = 0; return 1; }",
            "(a, b) => { list.push(1); return -1; }",
            "(a, b) => { list.sort(() => 1); return 1; }",
        )
    )
    kind = rng.choice((f"Array({n}).fill(1)", f"new Float64Array({n})", f"[...Array({n}).keys()]"))
    return f"const list = {kind}; list.sort({comparator});"


def _typed(rng: Random) -> str:
    kind = rng.choice(("Uint8Array", "Float64Array", "BigInt64Array", "Uint16Array", "DataView"))
    n = rng.choice(("1e7", "1e9", "2 ** 31 - 1", "2 ** 40", "-1"))
    return rng.choice(
        (
            f"new {kind}(new ArrayBuffer({n}));",
            f"const a = new Uint8Array({n}); a.fill(1); a.sort(); a.reverse(); a.join();",
            f"const b = new ArrayBuffer(8, {{ maxByteLength: {n} }}); b.resize({n});",
            "const a = new Uint8Array(1e6); for (;;) a.set(a.subarray(1));",
            "const a = new Uint32Array(1e6); for (;;) a.copyWithin(1, 0).indexOf(7);",
            "const b = new ArrayBuffer(8, { maxByteLength: 64 }); const a = new Uint8Array(b);"
            " [1].map(() => b.resize(0)); a.set({ length: 4, get 0() { b.resize(1); } });",
            "const a = new Float64Array(9); a.sort(() => { return a.buffer"
            ".transfer && a.buffer.transfer(1e6) && 0; });",
        )
    )


def _proxy(rng: Random) -> str:
    trap = rng.choice(("get", "has", "ownKeys", "getOwnPropertyDescriptor", "getPrototypeOf"))
    act = rng.choice(("for (;;);", "return again;", "throw again;", "return undefined;"))
    use = rng.choice(("again.x", "'x' in again", "({ ...again })", "again instanceof Object"))
    return rng.choice(
        (
            f"const again = new Proxy({{}}, {{ {trap}() {{ {act} }} }}); {use};"
            " return { data: again };",
            "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x;",
            "let p = function () {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p();",
            "let p = []; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); Array.isArray(p);",
            "const p = new Proxy({}, {}); Object.setPrototypeOf(Object.prototype, p); p.nothing;",
            "const p = new Proxy(function () {}, { apply() { return p(); } }); p();",
        )
    )


def _getter(rng: Random) -> str:
    act = rng.choice(("for (;;);", "return this.x;", "throw this;", "return 'x'.repeat(1e8);"))
    return rng.choice(
        (
            f"return {{ get data() {{ {act} }} }};",
            f"return {{ data: {{ get x() {{ {act} }} }} }};",
            f"return {{ data: {{}}, get errors() {{ {act} }} }};",
            f"return {{ errors: [{{ toString() {{ {act} }} }}] }};",
            f"return {{ data: {{ get then() {{ {act} }} }} }};",
            f"return {{ data: {{ x: {{ [Symbol.toPrimitive]() {{ {act} }} }} }} }};",
            f"throw {{ toString() {{ {act} }} }};",
            f"throw new (class extends Error {{ get message() {{ {act} }} }})();",
            f"Object.defineProperty(Object.prototype, 'x', {{ get() {{ {act} }} }}); input.x;",
            f"Error.prepareStackTrace = () => {{ {act} }}; null.x;",
            f"InternalError.prototype.toString = function () {{ {act} }}; for (;;);",
        )
    )


def _generator(rng: Random) -> str:
    use = rng.choice(("[...g()];", "Array.from(g());", "new Set(g());", "for (const x of g());"))
    use = rng.choice((use, "const [a, b, ...c] = g();", "Math.max(...g());", "new Map(g());"))
    inner = rng.choice(("for (;;) yield [1, 2];", "yield* g();", "for (;;) yield* [[1, 2]];"))
    return f"function* g() {{ {inner} }} {use}"


def _promise(rng: Random) -> str:
    return rng.choice(
        (
            "(async function f() { for (;;) await 0; })();",
            "const f = () => Promise.resolve().then(f); f();",
            "return { data: Promise.resolve({}) };",
            "return { data: { then(f) { f(this); } } };",
            "async function f() { await f(); } f();",
            "const p = []; for (;;) p.push(new Promise((r) => r(p)));",
            "Promise.all({ [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) });",
            "const g = async function* () { for (;;) yield 1; };"
            " (async () => { for await (const x of g()); })(); for (;;);",
        )
    )


def _deep(rng: Random) -> str:
    n = rng.choice((1000, 20000, 200000))
    return rng.choice(
        (
            "return decodeAgain(); function decodeAgain() { return decodeAgain(); }",
            f"eval('('.repeat({n}));",
            f"eval('['.repeat({n}) + ']'.repeat({n}));",
            f"eval('{{'.repeat({n}) + '}}'.repeat({n}));",
            f"eval('-'.repeat({n}).replace(/--/g, '- -') + '1');",
            f"eval('a=>'.repeat({n}) + '1');",
            f"new Function('return ' + '!'.repeat({n}) + '1')();",
            f"eval('1' + '+1'.repeat({n}));",
            f"eval('x?.y'.repeat({n}));",
            f"eval('`${{'.repeat({n}) + '1' + '}}`'.repeat({n}));",
            f"let f = () => 1; for (let i = 0; i < {n}; i++) {{ const g = f; f = () => g(); }}"
            " f();",
            f"let f = Math.abs; for (let i = 0; i < {n}; i++) f = f.bind(null); f(1);",
            f"let o = null; for (let i = 0; i < {n}; i++) o = Object.create(o); o.nothing;",
            f"let a = []; for (let i = 0; i < {n}; i++) a = [a]; a.flat(Infinity); a + '';",
            "class A { constructor() { new A(); } } new A();",
        )
    )


def _memory(rng: Random) -> str:
    add = rng.choice(
        (
            "kept.push([1, 2, 3, 4]);",
            "kept.push('x'.repeat(99) + kept.length);",
            "kept.push(() => kept);",
            "kept.push(Symbol('x' + kept.length));",
            "kept.push(new Map([[kept, {}]]));",
            "kept.push(new Uint8Array(1e5));",
            "kept.push(new RegExp('a' + kept.length));",
            "kept['k' + kept.length + Math.sqrt(kept.n = (kept.n || 0) + 1)] = {};",
            "kept.push(eval('(function(){' + 'var a;'.repeat(99) + '})'));",
        )
    )
    return f"const kept = []; for (;;) {{ {add} }}"


def _bent(rng: Random) -> str:
    return rng.choice(
        (
            "JSON.stringify = () => 'x'.repeat(1e6); return { data: { a: 1 } };",
            "Object.prototype.then = function () { for (;;); }; return { data: {} };",
            "Object.prototype.toJSON = function () { for (;;); }; return { data: {} };",
            "Array.prototype.slice = String.prototype.slice = () => { for (;;); }; throw 1;",
            "Object.defineProperty(Object.prototype, 'fault', { value: 'no function' });"
            " return { data: {} };",
            "for (const k of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[k]; }"
            " catch (e) {} return { data: { a: 1 } };",
            "Date = null; Math = null; Array = null; Object = null; return { data: { a: 1 } };",
            "Symbol.prototype.toString = () => { for (;;); }; throw Symbol('x');",
            "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
            "Error.stackTraceLimit = 1e9; (function f(n) { if (n) f(n - 1); else null.x; })(500);",
            "return { data: 'threw', threw: 'interrupted', fault: 'x' };",
            "for (;;) try { for (;;); } catch (e) {} finally { continue; }",
            "label: for (;;) { try { continue label; } finally { continue label; } }",
        )
    )


KINDS: dict[str, _Make] = {
    "array method over a giant length": _array_method,
    "array-like in other hands": _array_other,
    "text": _text,
    "pattern": _pattern,
    "large integer": _big_integer,
    "JSON": _json,
    "sort": _sort,
    "typed array": _typed,
    "proxy": _proxy,
    "getter": _getter,
    "generator": _generator,
    "promise": _promise,
    "depth": _deep,
    "memory": _memory,
    "bent builtin": _bent,
}
FORMS = (
    "function decodeUplink(input) {{ {act} return {{ data: {{ a: 1 }} }}; }}",
    "function Decode(fPort, bytes) {{ const input = {{ bytes }}; {act} return {{ a: 1 }}; }}",
    "function Decoder(bytes, port) {{ const input = {{ bytes }}; {act} return {{ a: 1 }}; }}",
    "const decodeUplink = (input) => {{ (() => {{ {act} }})(); return {{ data: {{ a: 1 }} }}; }};",
    "const decodeUplink = (input) => {{ try {{ {act} }} catch (e) {{ {act} }}"
    " return {{ data: {{ a: 1 }} }}; }};",
)
AT_LOAD = (
    "(function (input) {{ {act} }})({{}});"
    " function decodeUplink(input) {{ return {{ data: {{ a: 1 }} }}; }}"
)
# Of our own, in the three forms in which makers publish.
GOOD = (
    "function decodeUplink(input) { var b = input.bytes;"
    " return { data: { t: ((b[0] << 24 >> 16) | b[1]) / 100 } }; }",
    "function Decode(fPort, bytes, variables) {"
    " var raw = (bytes[0] << 8) | bytes[1]; if (raw > 32767) raw -= 65536;"
    " return { t: raw / 100 }; }",
    "function Decoder(bytes, port) { const view = new DataView(Uint8Array.from(bytes).buffer);"
    " return { t: Number((view.getInt16(0) / 100).toFixed(2)) }; }",
)


def hostile_codecs(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """(kind, text): each kind as often as the others, one in eight at the load of the file."""
    rng, kinds = Random(seed), list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        form = AT_LOAD if rng.random() < 1 / 8 else rng.choice(FORMS)
        yield kind, form.format(act=KINDS[kind](rng))
