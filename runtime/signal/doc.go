// Package signal
package signal
