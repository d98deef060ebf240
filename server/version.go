package server

// Version is Larder's own version and Commit the state of the source it was built from. The Makefile sets both when
// it links the program.
var (
	Version = "0.1.0"
	Commit  = "00000000"
)
