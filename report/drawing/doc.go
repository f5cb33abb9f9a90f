// Package drawing turns plain structs into SVG text: layered graphs, the
// staircase of a plan, rows of bars and the level of a control. It knows no
// stage and judges nothing.
//
// A drawing is text that stands alone or inside of a page. All that comes from
// outside is escaped, control characters and marks that turn the direction of
// writing are replaced, and long names are cut to their box, whole in the
// title. The same input gives the same bytes. Nothing is told by colour alone.
//
// Bounds: a graph draws at most maxNodes boxes and maxEdges arrows and says
// how many more there were. Widths of text are estimated from the shape of
// letters, not measured: a font much wider than the usual sans serif may touch
// the border of its box.
package drawing
