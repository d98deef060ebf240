package datatypes

// A Collection is a value of any type but a string, as far as all of them are alike.
type Collection interface {
	Encoding() string // as OBJECT ENCODING reports it
	Bytes(samples int) int
	Check() error
}

// Bind makes a Collection of a value of type t; nil for a string.
func Bind(t Type, env *Env, h Holder) Collection {
	switch t {
	case TypeHash:
		x := new(Hash)
		x.Bind(env, h)
		return x
	case TypeSet:
		x := new(Set)
		x.Bind(env, h)
		return x
	case TypeList:
		x := new(List)
		x.Bind(env, h)
		return x
	case TypeZSet:
		x := new(ZSet)
		x.Bind(env, h)
		return x
	case TypeStream:
		x := new(Stream)
		x.Bind(env, h)
		return x
	}
	return nil
}
