// Package model holds the words that every part of Scantling shares: what is
// judged (Asset), what is known about it (Fact, Weakness, Event), what was
// concluded (Verdict, Finding), what can be done (Action), and what could not
// be read (Incomplete). It imports the standard library only. A stage hands
// over a Reading of these values and never a type of its own.
package model
