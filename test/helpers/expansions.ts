/** Texts with `$name` in them, and what they stand for: the same to us and to Postfix (3.10). */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so

/** What there is to refer to. */
export const expansionValues: Readonly<Record<string, string>> = {
  compatibility_level: '3.11',
  myhostname: 'h',
  empty: '',
  bar: 'B',
  nested: '$bar${empty?x}',
};

export const expansions: readonly (readonly [text: string, value: string])[] = [
  ['$myhostname ESMTP', 'h ESMTP'],
  ['$(myhostname)${myhostname}${ myhostname }', 'hhh'],
  ['$bar.baz $bar-baz', 'B.baz B-baz'],
  ['$$$$ a$$b', '$$ a$b'],
  ['${nested}', 'B'],
  // Conditions.
  ['${empty?{a}:{b}}-${empty?a}-${empty:b}', 'b--b'],
  ['${bar?{a}:{b}}-${bar?a}-${bar:b}', 'a-a-'],
  ['${bar?a:b}', 'a:b'],
  ['${bar?{q}:z}x${empty?{q}:z}', 'qxz'],
  ['x${bar?{ q }:{z}}y x${bar? a }y', 'x q y x a y'],
  ['${bar ?{a} : {b}}', 'a'],
  ['${empty:{$bar}}', 'B'],
  ['${empty:$(bar)}', 'B'],
  ['$(bar?{a}:{b})', 'a'],
  ['$(bar?a(b)c)', 'a(b)c'],
  ['${bar?{a{b}c}}', 'a{b}c'],
  ['${bar?}${bar:}${bar?{a}:}', 'a'],
  ['${bar?$$}', '$'],
  ['${unknown?a}${unknown:c}${unknown?{a}:{b}}', 'cb'],
  ['${empty?{$nosuch}}x', 'x'],
  // Comparisons.
  ['${{1} == {1.0} ? {eq} : {ne}}', 'ne'],
  ['${{10} < {9} ? {lt} : {ge}}', 'ge'],
  ['${{010} == {10} ? {1}:{2}}', '1'],
  ['${{99999999999999999999} > {1}?{1}:{2}}', '1'],
  ['${{3.6} < {3.11}?{1}:{2}}', '2'],
  ['${{3.6} <level {3.11} ? {1}:{2}}', '1'],
  ['${{$compatibility_level} <level {3.11} ? {1}:{2}}', '2'],
  ['${{3.6.1} ==level {3.6} ? {1}:{2}}', '2'],
  ['${{3.10} >=level {3.9} ? {1}:{2}}', '1'],
  ['${{abc} <= {abd} ? {1}:{2}}', '1'],
  ['${{x}!={y}?{${bar?{n}:{m}}}:{2}}', 'n'],
  ['${{$bar} == {B} ? {1}:{2}}', '1'],
  ['${{ a } == {a} ? {1}:{2}}', '2'],
  ['${{} == {} ? {1}:{2}}', '1'],
  ['${{a}=={b}:{no}}', 'no'],
  ['${{2}>{1}?{x}}', 'x'],
  ['${{2}>{1}?yes:no}', 'yes:no'],
  ['x${{a}=={a}}y x${{a}=={b}}y', 'xtruey xy'],
];

/** Texts that are an error, fatal to Postfix; our message. */
export const wrongExpansions: readonly (readonly [text: string, message: string | RegExp])[] = [
  ['$nosuch', 'x: "$nosuch" is no parameter; write "$$" for a dollar sign'],
  ['${nosuch}', 'x: "$nosuch" is no parameter; write "$$" for a dollar sign'],
  ['$constructor', 'x: "$constructor" is no parameter; write "$$" for a dollar sign'],
  ['a $', 'x: "$" is no parameter; write "$$" for a dollar sign'],
  ['a $ b', 'x: "$" is no parameter; write "$$" for a dollar sign'],
  ['${bar', 'x: "${bar" is not closed; write "$$" for a dollar sign'],
  ['$(bar}', 'x: "$(bar}" is not closed; write "$$" for a dollar sign'],
  ['${bar?{a}', 'x: "${bar?{a}" is not closed; write "$$" for a dollar sign'],
  ['${}', 'x: "${}" is no reference to a parameter; write "$$" for a dollar sign'],
  ['${bar.baz}', /"\$\{bar.baz\}" is no reference to a parameter/],
  ['${bar?{a}x}', /is no reference/],
  ['${bar?{a}:{b}x}', /is no reference/],
  ['${empty:{a}:{b}}', /is no reference/],
  ['${$bar?{a}}', /is no reference/],
  ['${{a} ~ {b}?{x}}', /is no reference/],
  ['${{a}?{x}}', /is no reference/],
  ['${{B}==$bar?{1}:{2}}', /is no reference/],
  ['${bar?{a$}}', /"\$" is no parameter/],
  ['${{x} <level {3} ? {1}:{2}}', 'x: "x" is no release of Postfix; write one such as 3.11'],
  ['${{3.10.1.2} <level {4}?{1}:{2}}', /"3.10.1.2" is no release/],
  ['$x', 'x: the value refers to itself: x -> x'],
];
