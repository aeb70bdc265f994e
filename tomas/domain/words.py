"""The vocabulary that counts and sizes are read with: plain lists, one place for whoever wants to add a word."""

from tomas.domain.resources import Size


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
VAGUE: dict[str, float] = {"couple": 2, "pair": 2, "both": 2, "few": 3, "several": 5, "single": 1, "half": 0.5}
SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000}
NUMBERS: dict[str, float] = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
    **VAGUE,
    **{f"{word}s": 3 * value for word, value in SCALES.items()},
}
ARTICLES = _words("a an this that another")
# a number does not reach over these: what follows them is counted by somebody else
WALLS = _words(
    "in on at to from with for by and or is are was were has have had per than into as that which but if not it i we "
    "you so then times dpi px pixel pixels mp megapixel megapixels kb mb gb tb year years yr day days week weeks month "
    "months hour hours minute minutes min second seconds sec km cm mm kg percent"
)
FILLERS = _words("of the my our your his her their these those")
TIMES = _words("minute minutes min mins second seconds sec secs hour hours")
# in a text or a stretch of time, a number is as often a limit on what comes out, or a deadline
LIMITED = TIMES | _words(
    "word words sentence sentences line lines paragraph paragraphs character characters page pages"
)
LIMITS = _words("in into within under below maximum max most every each at by after up")
RESULTS = _words("summary summaries abstract recap digest overview blurb version synopsis brief limit max maximum or")
# after a singular unit, these show that it was the noun and not the beginning of another one (this photo archive)
GOES_ON = _words(
    "of in from on at is was are to and so that which for with by into i we you please taken showing long or as than"
)
RESOLUTIONS = _words("2k 4k 5k 8k 16k")

ADJECTIVES: dict[Size, str] = {
    "small": "tiny|small|little|short|brief|quick|mini|miniature|thumbnail-sized|postage-stamp-sized",
    "medium": "medium|medium-sized|mid-sized|moderate|average|average-sized|normal-sized",
    "large": "huge|large|big|enormous|massive|giant|gigantic|immense|long|lengthy|bulky|vast|extensive|endless|whole"
    "|entire|complete|full-length|hour-long|day-long|book-length",
}
PHRASES: dict[Size, str] = {
    "small": "thumbnails?|snippets?|one-liners?",
    "large": "(?:lots|tons|loads|piles|heaps|gigabytes|terabytes|boxes|years|decades) of|countless"
    "|a (?:lot|ton|mountain) of",
}
# what people call the thing they hand in, whatever the tool
NOUNS = (
    "files?|photos?|photographs?|images?|pictures?|pics?|scans?|documents?|docs?|pdfs?|reports?|articles?|essays?"
    "|papers?|books?|chapters?|novels?|manuscripts?|transcripts?|contracts?|letters?|emails?|threads?|messages?"
    "|paragraphs?|passages?|notes?|memos?|speech(?:es)?|lectures?|talks?|recordings?|audio|clips?|podcasts?|episodes?"
    "|interviews?|meetings?|calls?|videos?|films?|movies?|tracks?|songs?|voicemails?|archives?|folders?|batch(?:es)?"
    "|sets?|datasets?|collections?|albums?|librar(?:y|ies)|galler(?:y|ies)|director(?:y|ies)|backlogs?|piles?|stacks?"
    "|streams?|manuals?|texts?"
)
BETWEEN = (
    "old|new|blurry|grainy|scanned|recorded|online|english|chinese|french|german|spanish|technical|legal|medical|audio"
    "|video|voice|pdf|text|research|news|image|photo|picture|holiday|family|company"
)

HAN_DIGITS = {"〇": 0, "两": 2, "俩": 2, "几": 3, "数": 3} | {
    char: value for value, char in enumerate("零一二三四五六七八九")
}
HAN_POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
HAN_NOUNS = (
    "照片|图片|图像|图|相册|图库|文件夹|文件|文档|文章|论文|报告|合同|书|小说|邮件|录音|音频|视频|语音|会议|访谈|讲座|播客"
    "|资料|数据|素材|截图"
)
HAN_SIZES: dict[Size, str] = {
    "small": rf"短短|简短|很短|一小段|一小篇|小段|缩略图|少量的?(?:{HAN_NOUNS})|[短小]的?(?:{HAN_NOUNS}|片段|文|句)",
    "medium": "中等大小|中等长度|中等篇幅|中型|中篇",
    "large": "一大批|大批|海量|成批|一大堆|成堆|超长|很长|长长|冗长|长篇|长达|漫长|大部头|庞大|超大|巨大"
    rf"|整[个本套部段]的?(?:{HAN_NOUNS})|(?:大量|所有|全部|许多|很多|好多)的?.{{0,3}}?(?:{HAN_NOUNS})"
    rf"|[长大]的?(?:{HAN_NOUNS}|文)",
}
