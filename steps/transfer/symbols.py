"""Tables of phone symbols and letters and their IPA."""


def _pairs(text):
    """{symbol: IPA} of `symbol=IPA symbol=IPA ...`."""
    return dict(pair.split("=") for pair in text.split())


ARPABET = _pairs("""
    AA=ɑ AE=æ AH=ʌ AO=ɔ AW=aʊ AX=ə AXR=ɚ AX-H=ə AY=aɪ EH=ɛ ER=ɝ EY=eɪ IH=ɪ IX=ɨ IY=i OW=oʊ
    OY=ɔɪ UH=ʊ UW=u UX=ʉ B=b CH=t͡ʃ D=d DH=ð DX=ɾ EL=l̩ EM=m̩ EN=n̩ ENG=ŋ̩ F=f G=ɡ HH=h HV=ɦ
    JH=d͡ʒ K=k L=l M=m N=n NG=ŋ NX=ɾ̃ P=p Q=ʔ R=ɹ S=s SH=ʃ T=t TH=θ V=v W=w WH=w Y=j Z=z
    ZH=ʒ""")

# What letters most often stand for in the Latin orthographies of the world's younger written
# languages. Greek ε and ω stand for the open vowels in texts typed without ɛ and ɔ.
LETTERS = _pairs("""
    a=a b=b c=t͡ʃ d=d e=e f=f g=ɡ h=h i=i j=d͡ʒ k=k l=l m=m n=n o=o p=p q=k r=ɾ s=s t=t u=u
    v=v w=w x=ʃ y=j z=z ß=s å=ɔ ä=ɛ ö=ø ü=y ø=ø æ=æ œ=œ ñ=ɲ ń=ɲ ň=ɲ ç=s č=t͡ʃ ć=t͡ɕ š=ʃ ś=ɕ
    ş=ʃ ș=ʃ ž=ʒ ź=ʑ ż=ʒ ř=ʒ ď=d ť=t ţ=t͡s ț=t͡s ğ=ɣ ģ=ɟ ķ=c ļ=ʎ ľ=ʎ ņ=ɲ ł=w đ=d ħ=h ı=ɨ ŵ=w
    ŷ=i þ=θ ð=ð ẹ=ɛ ọ=ɔ ṣ=ʃ ḍ=ɖ ṭ=ʈ ạ=a ị=ɪ ụ=ʊ ṅ=ŋ ṇ=ɳ ḥ=h ṛ=ɽ ḷ=ɭ ε=ɛ ω=ɔ ι=ɪ υ=ʊ α=ɑ ɩ=ɪ
    ʋ=ʋ ɖ=ɖ ƒ=ɸ ǝ=ə ә=ə ƙ=kʼ ƴ=ʔj ƭ=ɗ ꞌ=ʔ ʼ=ʔ '=ʔ ’=ʔ ch=t͡ʃ sh=ʃ zh=ʒ th=t dh=ð kh=x gh=ɣ
    ph=f bh=β ny=ɲ gn=ɲ nh=ɲ ng=ŋ ts=t͡s dz=d͡z kp=k͡p gb=ɡ͡b tc=t͡ʃ dj=d͡ʒ pf=p͡f bv=b͡v
    ou=u rr=r ll=l""")

# eSpeak's ASCII names (after Kirshenbaum) where they are not the IPA's own letters.
KIRSHENBAUM = _pairs("""
    A=ɑ V=ʌ &=æ @=ə 3=ɜ E=ɛ I=ɪ O=ɔ U=ʊ 0=ɒ Y=ø W=œ i"=ɨ u"=ʉ u-=ɯ o-=ɤ a#=ɐ tS=t͡ʃ dZ=d͡ʒ
    S=ʃ Z=ʒ T=θ D=ð N=ŋ n^=ɲ l^=ʎ C=ç Q=ɣ X=χ H=ħ ?=ʔ *=ɾ R=ʁ r"=ʁ g"=ɢ n"=ɴ s;=ɕ z;=ʑ t.=ʈ
    d.=ɖ s.=ʂ z.=ʐ n.=ɳ l.=ɭ r.=ɽ B=β P=ɸ F=f G=ɢ J=ɟ L=ɫ M=ɱ 8=ɵ :=ː ~=̃ ;=ʲ r=ɹ g=ɡ""")

# X-SAMPA that panphon reads as something else: tones as consonants, letters by their first part.
XSAMPA = {"_R": "\u030c", "_F": "\u0302", "_j": "ʲ", "v\\": "ʋ", "x\\": "ɧ", "=\\": "ǂ",
          "dz`": "ɖ͡ʐ"}
