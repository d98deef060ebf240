package persistence

import (
	"errors"
	"fmt"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
)

// A placer reads keys with their values and puts them where they belong. The shards of the keys are held.
type placer struct {
	r   *codec.Reader
	v   *keyspace.View
	ks  *keyspace.Keyspace
	o   *LoadOptions
	res LoadResult

	holder datatypes.MemHolder
	key    []byte
}

// place reads what follows the type byte typ.
func (p *placer) place(typ byte, f facts) error {
	if err := p.readKey(typ); err != nil {
		return err
	}
	at := p.r.Pos()
	err := p.placeValue(typ, p.ks.Hash(p.key), f)
	if err == nil && p.o.Seen != nil {
		p.o.Seen(p.key, typ, f.expire, p.r.Pos()-at+int64(len(p.key)))
	}
	return err
}

// readKey reads the key of a value of type typ.
func (p *placer) readKey(typ byte) error {
	r := p.r
	if _, ok := codec.KindOf(typ); !ok {
		if codec.IsModule(typ) {
			key := p.shown(r.String())
			return fmt.Errorf("%w: the key %q holds data of the module %q", codec.ErrModule, key, r.SkipModuleValue(typ))
		}
		return fmt.Errorf("unknown type of value %d", typ)
	}
	p.key = append(p.key[:0], r.String()...)
	if r.Err() == nil && len(p.key) > keyspace.MaxKey {
		return fmt.Errorf("a key of %d bytes", len(p.key))
	}
	return r.Err()
}

// shown is a key as errors name it.
func (p *placer) shown(key []byte) string {
	if p.o.Shown != nil {
		return p.o.Shown(key)
	}
	return string(key)
}

// placeValue reads the value of the key that was read, whose hash is h, and stores it.
func (p *placer) placeValue(typ byte, h uint64, f facts) error {
	r, v := p.r, p.v
	how := keyspace.Loaded{Expire_ms: max(0, f.expire)}
	if f.expire != -1 && f.expire <= 0 { // at the beginning of time, or before: long over, but not "never"
		how.Expire_ms = 1
	}
	over := f.expire != -1 && f.expire < p.o.Now_ms && !p.o.KeepExpired || p.o.Discard
	switch clock := v.Clock(); {
	case clock.LFU && f.freq >= 0:
		how.Access, how.HasAccess = clock.FreqWord(uint8(f.freq), p.o.Now_ms), true
	case !clock.LFU && f.idle >= 0:
		how.Access, how.HasAccess = clock.IdleWord(f.idle, p.o.Now_ms), true
	}
	v.Hint(p.key, h)
	if !over && v.Has(p.key) {
		if !p.o.Replace {
			return DatabaseError(fmt.Sprintf("RDB has duplicated key '%s' in DB %d", p.shown(p.key), v.DB))
		}
		v.Delete(p.key)
	}
	t, _ := codec.KindOf(typ)
	if t == datatypes.TypeString {
		return p.text(how, over)
	}
	p.holder.SetEnc(datatypes.EncBlob)
	p.holder.Resize(0)
	switch err := r.Value(typ, v.EnvOf(p.key), &p.holder); {
	case errors.Is(err, codec.ErrEmpty):
		p.res.Empty++
		if p.o.Skipped != nil {
			p.o.Skipped(p.key)
		}
		return nil
	case err != nil:
		v.Discard(p.key, t, &p.holder)
		return err
	case over:
		v.Discard(p.key, t, &p.holder)
		p.lapsed()
		return nil
	}
	if !v.ReserveFor(p.key, len(p.holder.Bytes())) {
		v.Discard(p.key, t, &p.holder)
		return codec.ErrMemory
	}
	v.Load(p.key, t, &p.holder, how)
	p.placed()
	return nil
}

// text reads a string.
func (p *placer) text(how keyspace.Loaded, over bool) error {
	r, v := p.r, p.v
	made := false
	if !over && r.Long(func(n int) []byte {
		if n > keyspace.MaxValue || !v.ReserveFor(p.key, n) {
			return nil
		}
		made = true
		return v.LoadBytes(p.key, n, how)
	}) {
		if r.Err() != nil && made {
			v.Delete(p.key)
		} else if made {
			p.placed()
		}
		return r.Err()
	}
	s := r.String()
	switch {
	case r.Err() != nil:
		return r.Err()
	case over:
		p.lapsed()
		return nil
	case !v.ReserveFor(p.key, len(s)):
		return codec.ErrMemory
	}
	v.LoadString(p.key, s, how)
	p.placed()
	return nil
}

// lapsed leaves a key out whose time is over, or that nobody wants.
func (p *placer) lapsed() {
	if p.o.Discard {
		p.res.Keys++
		return
	}
	p.res.Expired++
	if p.o.Lapsed != nil {
		p.o.Lapsed(p.v.DB, p.key)
	}
}

func (p *placer) placed() {
	p.res.Keys++
	if len(p.v.Events) > 0 {
		p.v.ResetEvents() // nobody hears of keys that were always there
	}
}
