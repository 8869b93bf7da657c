//go:build !unix

package settings

// nonblock is nothing: files do not wait to be opened here.
const nonblock = 0
