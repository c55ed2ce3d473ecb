// Package explore is being written.
package explore
