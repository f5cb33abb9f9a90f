// Package coverage answers which steps of an attack would be seen: a step is
// seen when a log that shows it is read, a rule looks for it, and the rule is
// known to work. It is pure: rules, the logs that were read and the techniques
// that the attack graph uses go in, facts and actions come out.
package coverage
